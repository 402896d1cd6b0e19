// A shop's page on an origin of its own: what a test calls here, it gets what the page could read.
const api = new URLSearchParams(location.search).get("api");
const tokens = {};

async function call(method, path, body, headers = {}) {
  const answer = await fetch(api + path, {
    method,
    body: body && JSON.stringify(body),
    headers: {
      "Content-Type": "application/json",
      // What tracing libraries for browsers add.
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      tracestate: "vendor=1",
      baggage: "sentry-environment=test",
      "sentry-trace": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
      "X-Request-ID": "of-a-browsers-page",
      ...(tokens.access_token && { Authorization: `Bearer ${tokens.access_token}` }),
      ...headers,
    },
  });
  const read = (name) => answer.headers.get(name);
  const text = await answer.text();
  return {
    status: answer.status,
    requestId: read("X-Request-ID"),
    location: read("Location"),
    retryAfter: read("Retry-After"),
    authenticate: read("WWW-Authenticate"),
    allow: read("Allow"),
    body: text && JSON.parse(text),
  };
}

async function logIn(route, body) {
  const answer = await call("POST", `/api/v1/auth/${route}`, body);
  Object.assign(tokens, answer.body);
  return answer;
}

async function refusal() {
  try {
    await fetch(`${api}/api/v1/health/live`);
  } catch (error) {
    return error.name;
  }
}
