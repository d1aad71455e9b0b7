-- A table of your own: one row per user, with the Clerk user id. Change the four names on the right of the selection.
SELECT
  clerk_user_id AS user_id,
  access_token,
  extract(epoch FROM expires_at)::bigint AS token_expires_at,
  extract(epoch FROM created_at)::bigint AS obtained_at
FROM instagram_accounts
WHERE access_token IS NOT NULL
ORDER BY expires_at;
