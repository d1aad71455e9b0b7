// Verdicts of the real @clerk/backend on a file of tokens, one JSON object a line:
//   in:  {"now": ms, "policy": index, "token": text}, after a first line {"pem", "policies"}
//   out: {"verifyToken": verdict, "authenticateRequest": verdict, "organization"}, the last of them
//        what the SDK reads of one, where there is one
// A verdict is "accepted", a reason of the SDK, or "threw:Name". The network is never used: the
// SDK's fetch of the keys is answered here.
import { readFileSync } from 'node:fs';

const [first, ...lines] = readFileSync(process.argv[2], 'utf8').trimEnd().split('\n');
const { pem, policies } = JSON.parse(first);
// Before the SDK is loaded: it keeps the `fetch` that it finds then.
globalThis.fetch = async (_url, { headers }) => {
  const policy = Number(new Headers(headers).get('authorization').split('_').at(-1));
  return new Response(JSON.stringify(policies[policy].jwks), { headers: { 'content-type': 'application/json' } });
};
const { createClerkClient, verifyToken } = await import('@clerk/backend');

const publishableKey = 'pk_live_Y2xlcmsuZXhhbXBsZS5jb20k';
// Of no instance; its number tells our `fetch` which keys to answer with.
const secretKey = (policy) => `sk_live_policy_${policy}`;
let now = 0;
Date.now = () => now;
console.warn = () => {};

const clients = policies.map((_, policy) => createClerkClient({ publishableKey, secretKey: secretKey(policy) }));
const options = policies.map(({ pinned, issuer, parties, audience, skew }, policy) => ({
  secretKey: secretKey(policy),
  ...(pinned && { jwtKey: pem }),
  ...(issuer && { issuer }),
  ...(parties && { authorizedParties: parties }),
  ...(audience && { audience }),
  clockSkewInMs: skew,
}));

async function judgeToken(token, policy) {
  try {
    await verifyToken(token, options[policy]);
    return 'accepted';
  } catch (error) {
    return error.reason ?? `threw:${error.name}`;
  }
}

let organization;
async function judgeRequest(token, policy) {
  let request;
  organization = undefined;
  try {
    request = new Request('https://api.example.com/', { headers: { authorization: `Bearer ${token}` } });
  } catch {
    return 'unsendable';
  }
  // What a header cannot carry unchanged is another token.
  if (request.headers.get('authorization') !== `Bearer ${token}`) return 'unsendable';
  try {
    const state = await clients[policy].authenticateRequest(request, { publishableKey, ...options[policy] });
    if (state.status !== 'signed-in') return state.reason;
    const { orgId, orgSlug, orgRole, orgPermissions } = state.toAuth({ treatPendingAsSignedOut: false });
    if (orgId) organization = { id: orgId, slug: orgSlug, role: orgRole, permissions: orgPermissions ?? [] };
    return 'accepted';
  } catch (error) {
    return `threw:${error.name}`;
  }
}

let out = '';
for (const line of lines) {
  const { token, policy, now: then } = JSON.parse(line);
  now = then;
  const verdicts = { verifyToken: await judgeToken(token, policy), authenticateRequest: await judgeRequest(token, policy) };
  out += JSON.stringify({ ...verdicts, organization }) + '\n';
  if (out.length > 1 << 20) {
    process.stdout.write(out);
    out = '';
  }
}
process.stdout.write(out);
