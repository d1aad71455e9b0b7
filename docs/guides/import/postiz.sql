-- Postiz: accounts connected by Instagram Login (`instagram-standalone`). Those of the provider `instagram` have tokens of
-- Facebook Login, which Instagram's own API does not take: these people connect once more.
-- An organization of Postiz may have many users; the mapping says whose Clerk account stands for it.
WITH clerk_users (organization_id, user_id) AS (
  VALUES ('organization id of Postiz', 'user_…')
)
SELECT
  clerk_users.user_id,
  "Integration".token AS access_token,
  extract(epoch FROM "Integration"."tokenExpiration")::bigint AS token_expires_at,
  NULL AS obtained_at
FROM "Integration"
JOIN clerk_users ON clerk_users.organization_id = "Integration"."organizationId"
WHERE "Integration"."providerIdentifier" = 'instagram-standalone'
  AND "Integration"."deletedAt" IS NULL
  AND NOT "Integration".disabled
ORDER BY "Integration"."tokenExpiration";
