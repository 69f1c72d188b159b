// A client of each server; .js because Node wants whole names of files.
export default ["source", "target"].map((name) => ({
  input: `${process.env[`${name.toUpperCase()}_API_URL`]}/openapi.json`,
  output: { path: name, module: { extension: ".js" } },
}));
