"""What the doctor asks of every schema. Instants are bound, never now(): the partial indexes serve them."""

REPORTS_AND_CASES = """
SELECT (SELECT count(*) FROM intake.reports) AS reports,
       (SELECT count(*) FROM router.cases) AS cases,
       (SELECT count(*) FROM intake.reports AS report WHERE report.received_at < $1
            AND NOT EXISTS (SELECT 1 FROM router.case_reports AS member WHERE member.report_id = report.report_id)) AS reports_without_case,
       (SELECT count(*) FROM router.cases AS one
            WHERE NOT EXISTS (SELECT 1 FROM router.case_reports AS member WHERE member.case_id = one.case_id)) AS cases_without_report
"""

OPEN_CASES = """
SELECT count(*) AS cases,
       count(*) FILTER (WHERE owner_post_id IS NULL) AS without_owner,
       count(*) FILTER (WHERE owner_post_id IS NOT NULL AND NOT EXISTS (
           SELECT 1 FROM directory.holdings AS holding JOIN directory.officers AS officer USING (officer_id)
           WHERE holding.post_id = one.owner_post_id AND holding.state = 'current' AND officer.active)) AS without_holder,
       count(*) FILTER (WHERE armed.due_at IS NULL) AS without_deadline,
       count(*) FILTER (WHERE armed.due_at IS NOT NULL AND (one.wakes_at IS NULL OR one.wakes_at > armed.due_at)) AS asleep
FROM router.cases AS one
CROSS JOIN LATERAL (
    SELECT min(due_at) AS due_at FROM router.deadlines AS deadline WHERE deadline.case_id = one.case_id AND deadline.state = 'armed'
) AS armed
WHERE one.status <> 'closed'
"""

DEADLINES = """
WITH missed AS (
    SELECT (payload ->> 'deadline_id')::uuid AS deadline_id, (payload ->> 'due_at')::timestamptz AS due_at,
           (payload ->> 'fired_at')::timestamptz AS fired_at, (payload ->> 'late_s')::float8 AS late_s
    FROM audit.ledger WHERE event_type = 'tocsin.deadline.missed.v1' ORDER BY seq DESC LIMIT $2
)
SELECT (SELECT count(*) FROM router.cases AS one JOIN router.deadlines AS deadline USING (case_id)
            WHERE one.status <> 'closed' AND deadline.state = 'armed') AS armed,
       (SELECT count(*) FROM router.cases AS one JOIN router.deadlines AS deadline USING (case_id)
            WHERE one.wakes_at < $1 AND deadline.state = 'armed' AND deadline.due_at < $1) AS overdue,
       (SELECT count(*) FROM router.cases AS one JOIN router.deadlines AS deadline USING (case_id)
            WHERE one.status <> 'closed' AND deadline.fired_at < deadline.due_at)
           + (SELECT count(*) FROM missed WHERE fired_at < due_at) AS early,
       (SELECT count(*) - count(DISTINCT deadline_id) FROM missed) AS twice,
       (SELECT count(*) FROM router.cases AS one JOIN router.deadlines AS deadline USING (case_id)
            WHERE one.status <> 'closed' AND deadline.state = 'armed' AND deadline.provisional) AS provisional,
       (SELECT count(*) FROM missed WHERE late_s > 1) AS late,
       (SELECT coalesce(max(late_s), 0) FROM missed) AS late_s_max
"""

# At the top of the ladder a case stays where it is, whoever has declined, and the supervising posts are told: that is no dead end.
LADDER = """
SELECT count(*) AS cases,
       count(*) FILTER (WHERE one.supervise_round = 0 AND one.owner_post_id IS NOT NULL AND NOT EXISTS (
           SELECT 1 FROM directory.holdings AS holding
           JOIN directory.officers AS officer USING (officer_id) JOIN directory.contacts AS contact USING (officer_id)
           WHERE holding.post_id = one.owner_post_id AND holding.state = 'current' AND officer.active AND contact.enabled)) AS unreachable,
       count(*) FILTER (WHERE one.supervise_round = 0 AND EXISTS (
           SELECT 1 FROM router.assignments AS told
           WHERE told.case_id = one.case_id AND told.post_id = one.owner_post_id AND told.officer_id = one.owner_officer_id
             AND told.answer IN ('declined', 'unreachable') AND told.answered_at < $1)) AS refused,
       count(*) FILTER (WHERE EXISTS (
           SELECT 1 FROM router.deadlines AS deadline
           WHERE deadline.case_id = one.case_id AND deadline.kind = 'acknowledge' AND deadline.state = 'armed'
             AND deadline.due_at < $1)) AS stuck
FROM router.cases AS one WHERE one.status = 'open'
"""

NOTIFICATIONS = """
WITH under_way AS (
    SELECT notification.notification_id, coalesce(carrier.state, notification.state) AS state, notification.requested_at, attempt.check_at,
           coalesce(carrier.next_at, notification.next_at) AS next_at, notification.reason IS NOT DISTINCT FROM 'quiet_hours' AS asleep
    FROM notifier.notifications AS notification
    LEFT JOIN notifier.notifications AS carrier ON carrier.notification_id = notification.carrier
    LEFT JOIN notifier.attempts AS attempt ON attempt.attempt_id = coalesce(carrier.current_attempt, notification.current_attempt)
    WHERE notification.state IN ('queued', 'sending', 'submitted')
),
asked AS (
    SELECT (payload ->> 'notification_id')::uuid AS notification_id, received_at
    FROM audit.ledger WHERE event_type = 'tocsin.notification.requested.v1' ORDER BY seq DESC LIMIT $4
),
failed AS (
    SELECT notification.* FROM notifier.notifications AS notification
    JOIN router.cases AS one USING (case_id)
    WHERE notification.state = 'failed' AND notification.updated_at < $3 AND one.status = 'open'
      AND notification.purpose IN ('assign', 'escalate')
)
SELECT (SELECT count(*) FROM under_way) AS under_way,
       (SELECT count(*) FROM under_way
            WHERE (requested_at < $2 AND NOT asleep) OR coalesce(CASE state WHEN 'queued' THEN next_at ELSE check_at END, requested_at) < $1
       ) AS stuck,
       (SELECT count(*) FROM asked WHERE received_at < $3
            AND NOT EXISTS (SELECT 1 FROM notifier.notifications AS known WHERE known.notification_id = asked.notification_id)) AS lost,
       (SELECT count(*) FROM failed) AS failed,
       (SELECT count(*) FROM failed JOIN router.cases AS one USING (case_id)
            WHERE one.owner_post_id = failed.post_id AND one.owner_officer_id = failed.officer_id AND one.supervise_round = 0
              AND NOT EXISTS (
                  SELECT 1 FROM notifier.notifications AS later
                  WHERE later.case_id = failed.case_id AND later.requested_at > failed.requested_at
                    AND later.purpose IN ('assign', 'escalate'))) AS unfollowed
"""

# What waits for a later version of ours is no failure (libs/events/inbox.py).
PARKED = """
SELECT grp, count(*) AS events, count(DISTINCT key) AS keys, count(*) FILTER (WHERE state = 'dead') AS dead
FROM bus.parked WHERE state <> 'newer' GROUP BY grp ORDER BY grp
"""

# The log forgets what all have read; what it still has tells the order in which the ledger must have heard of it. What came with a restored
# log ('3', libs/events/restored.py) was put into another order than it had been read in before.
ORDER = """
WITH heard AS (
    SELECT seq, key, event_id, at FROM audit.ledger ORDER BY seq DESC LIMIT $1
),
placed AS (
    SELECT (event.xid, event.id) < lag((event.xid, event.id)) OVER (PARTITION BY heard.key ORDER BY heard.seq) AS before_its_turn
    FROM heard JOIN bus.outbox AS event USING (event_id)
    WHERE event.created_at >= (SELECT min(at) FROM heard) AND event.xid > '3'
)
SELECT (SELECT count(*) FROM heard) AS lines, (SELECT count(*) FROM placed WHERE before_its_turn) AS disordered
"""
