# From Kubernetes' own swagger.json, the JSON schema of one definition ($name) with what
# it refers to, as kubeconform wants it: strict, and without descriptions.
def refs: [.. | objects | .["$ref"] // empty | ltrimstr("#/definitions/")] | unique;
def reached($all): (map($all[.]) | refs) as $more | (. + $more | unique) as $next
  | if $next == . then . else $next | reached($all) end;
def strict: walk(
  if type != "object" then .
  elif .["$ref"] then {"$ref": .["$ref"]}
  elif .format == "int-or-string" then {type: ["string", "integer"]}
  else with_entries(select(.key | (startswith("x-kubernetes-") or . == "format" or . == "default") | not))
    | if (.description | type) == "string" then del(.description) else . end
    | if .properties then .additionalProperties = false else . end
  end);
.definitions as $all
| {"$schema": "http://json-schema.org/draft-07/schema#"} + ($all[$name] | strict)
  + {definitions: ($all[$name] | refs | reached($all) | map({key: ., value: ($all[.] | strict)}) | from_entries)}
