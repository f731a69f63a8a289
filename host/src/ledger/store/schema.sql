-- What the ledger writes. Times in `calls` are microseconds since 1970-01-01 00:00 UTC, as in every store of records;
-- everything that people read by (views, `usage`) has timestamps. Money is numeric, never a float.

CREATE TABLE ledger.version (version integer NOT NULL);
INSERT INTO ledger.version VALUES (1);

-- Who writes. `epoch` grows with every takeover; a transaction of an older epoch cannot commit.
CREATE TABLE ledger.lease (
    name    text        PRIMARY KEY,
    epoch   bigint      NOT NULL,
    holder  text        NOT NULL,
    renewed timestamptz NOT NULL
);

-- Call records with what they come to. `record` is the whole record as JSON, as the node wrote it.
CREATE TABLE ledger.calls (
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
    gateway         text,             -- of the attempt that was answered, else of the last
    jurisdiction    text    NOT NULL,
    billed          bigint,           -- seconds that the customer is charged for
    rate            numeric,          -- per minute
    price           numeric,          -- null: not answered, or not rated
    currency        text,
    tariff          text,             -- deck and prefix, `record`: the router's own rate, or `rater`
    cost_billed     bigint,
    cost_rate       numeric,
    cost            numeric,
    cost_currency   text,
    cost_tariff     text,
    unrated         text,             -- why an answered call lacks a price or a cost
    record          text    NOT NULL,
    PRIMARY KEY (node, epoch, sequence)
);

DO $$ BEGIN
    ALTER TABLE ledger.calls ALTER COLUMN record SET COMPRESSION lz4;
EXCEPTION WHEN OTHERS THEN
    NULL; -- a server built without lz4 compresses as it can
END $$;

-- A block range index: calls come in the order of time, and it costs a writer next to nothing.
CREATE INDEX calls_received ON ledger.calls USING brin (received);
CREATE INDEX calls_unrated ON ledger.calls (received) WHERE unrated IS NOT NULL;

-- Messages that are no record, or one that the database refuses: kept, so that nothing is lost silently.
CREATE TABLE ledger.rejects (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    message_id text        NOT NULL,
    reason     text        NOT NULL,
    body       bytea       NOT NULL,
    -- A message that is delivered again is the same one.
    UNIQUE (message_id, reason)
);

-- Sums of calls. `delays` are post-dial delays in buckets: see ledger.delay_bounds.
CREATE TABLE ledger.usage (
    span          smallint    NOT NULL, -- minutes: 15, 60 or 1440
    start         timestamptz NOT NULL,
    customer      text        NOT NULL,
    gateway       text        NOT NULL,
    jurisdiction  text        NOT NULL,
    code          integer     NOT NULL,
    currency      text        NOT NULL, -- of the price; empty where there is none
    cost_currency text        NOT NULL,
    calls         bigint      NOT NULL,
    answered      bigint      NOT NULL,
    talk          bigint      NOT NULL, -- microseconds
    billed        bigint      NOT NULL, -- seconds
    price         numeric     NOT NULL,
    cost          numeric     NOT NULL,
    unrated       bigint      NOT NULL,
    delays        bigint[]    NOT NULL,
    PRIMARY KEY (span, start, customer, gateway, jurisdiction, code, currency, cost_currency)
);

-- What a customer has left: payments are yours to add, calls are taken off. It may go below zero.
CREATE TABLE ledger.balances (
    customer text        NOT NULL,
    currency text        NOT NULL,
    balance  numeric     NOT NULL,
    charged  numeric     NOT NULL, -- all that calls have taken off since the beginning
    changed  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (customer, currency)
);

-- Upper bounds of the buckets of `usage.delays`, in milliseconds; the last bucket has none.
CREATE FUNCTION ledger.delay_bounds() RETURNS numeric[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT '@BOUNDS@'::numeric[] $$;

CREATE FUNCTION ledger.add_delays(a bigint[], b bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT array_agg(coalesce(x, 0) + coalesce(y, 0) ORDER BY n)
   FROM unnest(a, b) WITH ORDINALITY AS t (x, y, n) $$;

CREATE AGGREGATE ledger.sum_delays(bigint[]) (SFUNC = ledger.add_delays, STYPE = bigint[]);

-- Not above this many milliseconds in so many of all calls: `ledger.delay(ledger.sum_delays(delays), 0.95)`.
CREATE FUNCTION ledger.delay(delays bigint[], fraction numeric) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (ledger.delay_bounds())[min(n)]
   FROM (SELECT n, sum(c) OVER (ORDER BY n) AS below, sum(c) OVER () AS alltogether
         FROM unnest(delays) WITH ORDINALITY AS t (c, n)) AS counted
   WHERE alltogether > 0 AND below >= fraction * alltogether $$;

-- Quality: by customer, gateway and jurisdiction. ASR in per cent, ACD in seconds, PDD in milliseconds.
CREATE VIEW ledger.traffic AS
SELECT span, start, customer, gateway, jurisdiction,
       sum(calls) AS calls,
       sum(answered) AS answered,
       round(100.0 * sum(answered) / sum(calls), 2) AS asr,
       round(sum(talk) / 1000000.0 / nullif(sum(answered), 0), 1) AS acd,
       round(sum(talk) / 60000000.0, 3) AS minutes,
       ledger.delay(ledger.sum_delays(delays), 0.5) AS pdd_p50,
       ledger.delay(ledger.sum_delays(delays), 0.95) AS pdd_p95,
       ledger.delay(ledger.sum_delays(delays), 0.99) AS pdd_p99,
       sum(unrated) AS unrated
FROM ledger.usage
GROUP BY span, start, customer, gateway, jurisdiction;

-- Money: by customer, gateway and jurisdiction, for each pair of currencies. No margin where they differ.
CREATE VIEW ledger.money AS
SELECT span, start, customer, gateway, jurisdiction, currency, cost_currency,
       sum(answered) AS answered,
       round(sum(billed) / 60.0, 3) AS billed_minutes,
       sum(price) AS price,
       sum(cost) AS cost,
       CASE WHEN currency = cost_currency THEN sum(price) - sum(cost) END AS margin,
       sum(unrated) AS unrated
FROM ledger.usage
WHERE answered > 0
GROUP BY span, start, customer, gateway, jurisdiction, currency, cost_currency;

-- For reading.
CREATE VIEW ledger.call_log AS
SELECT to_timestamp(received / 1000000.0) AS received, customer, caller_received AS caller, callee_received AS callee,
       code, "end", round(duration / 1000000.0, 3) AS seconds, gateway, billed, price, currency, cost, cost_currency,
       unrated, call_id, node, epoch, sequence
FROM ledger.calls;
