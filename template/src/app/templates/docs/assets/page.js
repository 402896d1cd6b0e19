// Swagger UI over this API's document; a login gives its token to every request that is tried out.
// Addresses are relative to the page's, so that a prefix in front of it is in front of them, too.
const ui = SwaggerUIBundle({
  url: "openapi.json",
  onComplete: () => (document.title = ui.specSelectors.info().get("title")),
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});

document.getElementById("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const said = form.querySelector("output");
  const answer = await fetch("api/v1/auth/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(Object.fromEntries(new FormData(form))),
  });
  const body = await answer.json();
  if (answer.ok) ui.preauthorizeApiKey("access_token", body.access_token);
  said.textContent = answer.ok ? "Logged in." : body.detail;
});
