INSERT INTO ledger.usage AS sums (
    span, start, customer, gateway, jurisdiction, code, currency, cost_currency,
    calls, answered, talk, billed, price, cost, unrated, delays
)
SELECT span, to_timestamp(start), customer, gateway, jurisdiction, code, currency, cost_currency,
       calls, answered, talk, billed, price::numeric, cost::numeric, unrated, delays::bigint[]
FROM unnest(
    $1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[], $8::text[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::bigint[], $16::text[]
) AS batch (
    span, start, customer, gateway, jurisdiction, code, currency, cost_currency,
    calls, answered, talk, billed, price, cost, unrated, delays
)
ON CONFLICT (span, start, customer, gateway, jurisdiction, code, currency, cost_currency) DO UPDATE SET
    calls = sums.calls + excluded.calls,
    answered = sums.answered + excluded.answered,
    talk = sums.talk + excluded.talk,
    billed = sums.billed + excluded.billed,
    price = sums.price + excluded.price,
    cost = sums.cost + excluded.cost,
    unrated = sums.unrated + excluded.unrated,
    delays = ledger.add_delays(sums.delays, excluded.delays)
