-- Call records. Times are microseconds since 1970-01-01 00:00 UTC. `record` is the whole record as JSON; the columns
-- beside it are what people search by, and the view `call_log` is for reading.
CREATE TABLE calls (
    node            TEXT    NOT NULL,
    epoch           INTEGER NOT NULL,
    sequence        INTEGER NOT NULL,
    call_id         TEXT    NOT NULL,
    customer        TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    caller_received TEXT    NOT NULL,
    caller_sent     TEXT    NOT NULL,
    callee_received TEXT    NOT NULL,
    callee_sent     TEXT    NOT NULL,
    received        INTEGER NOT NULL,
    routed          INTEGER,
    ringing         INTEGER,
    answered        INTEGER,
    ended           INTEGER NOT NULL,
    duration        INTEGER NOT NULL, -- microseconds from answer to end
    code            INTEGER NOT NULL,
    "end"           TEXT    NOT NULL,
    gateway         TEXT,             -- of the last attempt
    record          TEXT    NOT NULL,
    attempts        TEXT GENERATED ALWAYS AS (record -> '$.attempts') VIRTUAL,
    stages          TEXT GENERATED ALWAYS AS (record -> '$.stages') VIRTUAL,
    attributes      TEXT GENERATED ALWAYS AS (record -> '$.attributes') VIRTUAL,
    PRIMARY KEY (node, epoch, sequence)
);

CREATE INDEX calls_received ON calls (received);
CREATE INDEX calls_call_id ON calls (call_id);
CREATE INDEX calls_customer ON calls (customer, received);

CREATE VIEW call_log AS
SELECT strftime('%Y-%m-%d %H:%M:%f', received / 1000000.0, 'unixepoch') AS received,
       customer,
       caller_received AS caller,
       callee_received AS callee,
       code,
       "end",
       round(duration / 1000000.0, 3) AS seconds,
       gateway,
       call_id,
       node, epoch, sequence
FROM calls;

PRAGMA user_version = 1;
