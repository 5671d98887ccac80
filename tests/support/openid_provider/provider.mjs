// An OpenID provider where anybody signs in under any name: the package oidc-provider, with what the tests need to choose.
// OPTIONS: {port, keys: private JSON Web Keys, redirects: addresses of the page, tokenSeconds, unrenewed: who gets no refresh tokens, audience, groups:
// by name, tenants: by name}.
import { Provider } from "oidc-provider";

const options = JSON.parse(process.env.OPTIONS);
const scope = "openid profile";

const provider = new Provider(`http://127.0.0.1:${options.port}`, {
  clients: [
    {
      client_id: "page",
      // Native, so that the port of a redirect may be any.
      application_type: "native",
      token_endpoint_auth_method: "none",
      redirect_uris: options.redirects,
      grant_types: ["authorization_code", "refresh_token"],
    },
    {
      client_id: "program",
      client_secret: "a secret of the program's",
      redirect_uris: [],
      response_types: [],
      grant_types: ["client_credentials"],
    },
  ],
  jwks: { keys: options.keys },
  pkce: { required: () => true },
  // Claims are in the ID token, as those of most providers are.
  conformIdTokenClaims: false,
  claims: { openid: ["sub", "groups", "tenant"], profile: ["preferred_username"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, groups: options.groups?.[id], tenant: options.tenants?.[id] }),
  }),
  issueRefreshToken: (_, client, code) => code.accountId !== options.unrenewed,
  rotateRefreshToken: true,
  ttl: { IdToken: options.tokenSeconds ?? 300, AccessToken: 300, ClientCredentials: 300, RefreshToken: 3600 },
  cookies: { keys: ["of no worth"] },
  features: {
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: () => ({ scope, audience: options.audience, accessTokenFormat: "jwt" }),
    },
  },
});

provider.listen(options.port, "127.0.0.1", () => console.log("ready"));
