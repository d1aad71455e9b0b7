-- Nango, self-hosted, without NANGO_ENCRYPTION_KEY. With it, and at Nango Cloud, the credentials come from its API instead
-- (importing.md). Change the integration's key and the environment. A connection names its Clerk user by the end user of its
-- connect session, or, where it was made without one, by its own id.
SELECT
  coalesce(end_users.end_user_id, connections.connection_id) AS user_id,
  connections.credentials ->> 'access_token' AS access_token,
  extract(epoch FROM (connections.credentials ->> 'expires_at')::timestamptz)::bigint AS token_expires_at,
  NULL AS obtained_at
FROM nango._nango_connections AS connections
JOIN nango._nango_environments AS environments ON environments.id = connections.environment_id
LEFT JOIN nango.end_users ON end_users.id = connections.end_user_id
WHERE connections.provider_config_key = 'instagram'
  AND environments.name = 'prod'
  AND connections.deleted_at IS NULL
  AND connections.credentials ->> 'access_token' IS NOT NULL
ORDER BY token_expires_at;
