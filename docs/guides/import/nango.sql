-- Nango, self-hosted, without NANGO_ENCRYPTION_KEY. With it, and at Nango Cloud, the credentials come from its API instead
-- (importing.md). Change the provider's key, and how a connection names its Clerk user.
SELECT
  connections.connection_id AS user_id,
  connections.credentials ->> 'access_token' AS access_token,
  extract(epoch FROM (connections.credentials ->> 'expires_at')::timestamptz)::bigint AS token_expires_at,
  NULL AS obtained_at
FROM nango._nango_connections AS connections
WHERE connections.provider_config_key = 'instagram'
  AND connections.deleted_at IS NULL
  AND connections.credentials ->> 'access_token' IS NOT NULL
ORDER BY token_expires_at;
