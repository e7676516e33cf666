"""What every fault run asks the database in the end."""

CASES_OF_REPORTS = "SELECT report_id::text, count(*) AS cases FROM router.case_reports GROUP BY report_id"
OWNERS_NOT_TOLD = """
SELECT count(*) FROM router.cases AS one WHERE NOT EXISTS (
    SELECT 1 FROM notifier.notifications AS told
    WHERE told.case_id = one.case_id AND told.post_id = one.owner_post_id AND told.officer_id = one.owner_officer_id
      AND told.state IN ('submitted', 'delivered'))
"""
