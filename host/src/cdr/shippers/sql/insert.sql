-- One statement for a whole batch: SQLite takes the columns out of the records itself. A record that is there already
-- is left as it is, so that a batch may come any number of times.
INSERT INTO calls (
    node, epoch, sequence, call_id, customer, source,
    caller_received, caller_sent, callee_received, callee_sent,
    received, routed, ringing, answered, ended, duration,
    code, "end", gateway, record
)
SELECT value ->> 'node', value ->> 'epoch', value ->> 'sequence',
       value ->> 'call_id', value ->> 'customer', value ->> 'source',
       value ->> '$.caller.received', value ->> '$.caller.sent',
       value ->> '$.callee.received', value ->> '$.callee.sent',
       value ->> '$.times.received', value ->> '$.times.routed', value ->> '$.times.ringing',
       value ->> '$.times.answered', value ->> '$.times.ended',
       max(coalesce((value ->> '$.times.ended') - (value ->> '$.times.answered'), 0), 0),
       value ->> 'code', value ->> 'end', value ->> '$.attempts[#-1].gateway', value
FROM json_each(?1)
WHERE true
ON CONFLICT (node, epoch, sequence) DO NOTHING
