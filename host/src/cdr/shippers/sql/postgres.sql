-- Call records. Times are microseconds since 1970-01-01 00:00 UTC. `record` is the whole record as JSON; the columns
-- beside it are what people search by, and the view `call_log` is for reading.
CREATE TABLE calls_version (version integer NOT NULL);
INSERT INTO calls_version VALUES (1);

CREATE TABLE calls (
    node            text    NOT NULL,
    epoch           bigint  NOT NULL,
    sequence        bigint  NOT NULL,
    call_id         text    NOT NULL,
    customer        text    NOT NULL,
    source          text    NOT NULL,
    caller_received text    NOT NULL,
    caller_sent     text    NOT NULL,
    callee_received text    NOT NULL,
    callee_sent     text    NOT NULL,
    received        bigint  NOT NULL,
    routed          bigint,
    ringing         bigint,
    answered        bigint,
    ended           bigint  NOT NULL,
    duration        bigint  NOT NULL, -- microseconds from answer to end
    code            integer NOT NULL,
    "end"           text    NOT NULL,
    gateway         text,             -- of the last attempt
    record          json    NOT NULL,
    PRIMARY KEY (node, epoch, sequence)
);

CREATE INDEX calls_received ON calls (received);
CREATE INDEX calls_call_id ON calls (call_id);
CREATE INDEX calls_customer ON calls (customer, received);

CREATE VIEW call_log AS
SELECT to_timestamp(received / 1000000.0) AS received,
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
