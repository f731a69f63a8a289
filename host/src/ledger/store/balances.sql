INSERT INTO ledger.balances AS kept (customer, currency, balance, charged)
SELECT customer, currency, -price::numeric, price::numeric
FROM unnest($1::text[], $2::text[], $3::text[]) AS batch (customer, currency, price)
ON CONFLICT (customer, currency) DO UPDATE SET
    balance = kept.balance + excluded.balance,
    charged = kept.charged + excluded.charged,
    changed = now()
