// oidc-provider with one client that responds and one that is responded to. Beside its own endpoints /issue gives
// tokens without a browser, and /handles tells which token a handle stands for. Usage: node oidc_provider.mjs FOLDER
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
const setup = JSON.parse(readFileSync(join(folder, 'setup.json'), 'utf8'));
const { default: Provider } = await import(pathToFileURL(setup.library));

const client = (client_id, client_secret) => ({
  client_id, client_secret, grant_types: [], response_types: [], redirect_uris: [],
});
const app = {
  ...client('c-42', 'secret-of-c-42'),
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  redirect_uris: ['https://app.example.com/back'],
};
const ours = setup.client_id;
// The responder may act on tokens of all clients, an ordinary client only on its own.
const allowedPolicy = async (ctx, asking, token) => asking.clientId === ours || asking.clientId === token.clientId;

const port = createServer().listen(0, '127.0.0.1');
await new Promise((listening) => port.once('listening', listening));
const issuer = `http://127.0.0.1:${port.address().port}`;
const provider = new Provider(issuer, {
  clients: [client(ours, setup.client_secret), client('c-other', 'secret-of-c-other'), app],
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy },
    revocation: { enabled: true, allowedPolicy },
  },
  findAccount: async (ctx, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
});

const handles = new Map();
const handleOf = (token) => {
  const handle = createHash('sha256').update(token).digest('hex');
  handles.set(handle, token);
  return handle;
};

async function issue() {
  const found = await provider.Client.find('c-42');
  const grant = new provider.Grant({ accountId: 'ana', clientId: 'c-42' });
  grant.addOIDCScope('openid offline_access');
  const grantId = await grant.save();
  const common = { accountId: 'ana', client: found, grantId, gty: 'authorization_code', scope: 'openid offline_access' };
  const access = await new provider.AccessToken(common).save();
  const refresh = await new provider.RefreshToken(common).save();
  return { access, refresh, access_handle: handleOf(access), refresh_handle: handleOf(refresh) };
}

function isResponder(request) {
  const [scheme, given = ''] = (request.headers.authorization ?? '').split(' ');
  const [id, secret] = Buffer.from(given, 'base64').toString().split(':');
  const decoded = (text = '') => decodeURIComponent(text.replaceAll('+', ' '));
  return scheme === 'Basic' && decoded(id) === ours && decoded(secret) === setup.client_secret;
}

const standard = provider.callback();
port.on('request', async (request, response) => {
  const answer = (status, body) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const handle = request.url.match(/^\/handles\/([0-9a-f]+)$/)?.[1];
  if (request.url === '/issue') answer(200, await issue());
  else if (handle === undefined) standard(request, response);
  else if (!isResponder(request)) answer(401, { error: 'invalid_client' });
  else if (handles.has(handle)) answer(200, { token: handles.get(handle) });
  else answer(404, { error: 'not_found' });
});

// The pipe is never written: its end tells that whoever started this is gone.
process.stdin.on('end', () => process.exit(0)).resume();
writeFileSync(join(folder, 'port.tmp'), `${port.address().port}`);
renameSync(join(folder, 'port.tmp'), join(folder, 'port'));
