-- Chatwoot: inboxes of the kind "Instagram" (table channel_instagram). Where `ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY` is set,
-- Chatwoot encrypts this column: then print it from its console instead (importing.md).
WITH clerk_users (account_id, user_id) AS (
  VALUES (1, 'user_…')
)
SELECT
  clerk_users.user_id,
  channel_instagram.access_token,
  extract(epoch FROM channel_instagram.expires_at)::bigint AS token_expires_at,
  NULL AS obtained_at
FROM channel_instagram
JOIN clerk_users ON clerk_users.account_id = channel_instagram.account_id
ORDER BY channel_instagram.expires_at;
