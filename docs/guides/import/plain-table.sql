-- A table of your own: one row per user, with the Clerk user id. Change the four names on the right of the selection.
SELECT
  clerk_user_id AS user_id,
  access_token,
  to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS token_expires_at,
  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS obtained_at
FROM instagram_accounts
WHERE access_token IS NOT NULL
ORDER BY expires_at;
