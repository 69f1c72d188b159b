package apidocs

// swaggerPage has verbs for its title and for the path before all others. Its scripts and styles are those that
// swgui embeds; swgui's own page would read and unpack them before main.
const swaggerPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%[1]s - Swagger UI</title>
<link rel="icon" type="image/png" href="%[2]s/docs/favicon-32x32.png" sizes="32x32">
<link rel="icon" type="image/png" href="%[2]s/docs/favicon-16x16.png" sizes="16x16">
<link rel="stylesheet" href="%[2]s/docs/swagger-ui.css">
<style>html { overflow-y: scroll } body { margin: 0; background: #fafafa }</style>
</head>
<body>
<div id="swagger-ui"></div>
<script src="%[2]s/docs/swagger-ui-bundle.js"></script>
<script src="%[2]s/docs/swagger-ui-standalone-preset.js"></script>
<script>
window.onload = () => {
  window.ui = SwaggerUIBundle({
    url: "%[2]s/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    plugins: [SwaggerUIBundle.plugins.DownloadUrl],
    layout: "StandaloneLayout",
    showExtensions: true,
    showCommonExtensions: true,
    validatorUrl: null,
  });
};
</script>
</body>
</html>
`

// redocPage has the same verbs.
const redocPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%[1]s - ReDoc</title>
<link rel="icon" href="data:,">
<style>body { margin: 0 }</style>
</head>
<body>
<redoc spec-url="%[2]s/openapi.json"></redoc>
<script src="%[2]s/redoc/redoc.standalone.js"></script>
</body>
</html>
`
