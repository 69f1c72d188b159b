package apidocs

import (
	"maps"
	"slices"
	"strings"
)

// narrow removes from a contract what does not concern the server of a tag. The
// operations of that server stay, the components that they refer to, and the tags
// that no operation of another server has. The servers of its paths become those
// of the document, because a path that both servers answer names none.
func narrow(document map[string]any, tag string) {
	paths, _ := document["paths"].(map[string]any)
	elsewhere := make(map[any]bool)
	var answered []map[string]any
	for path, item := range paths {
		members, _ := item.(map[string]any)
		count := len(answered)
		for method, member := range members {
			operation, _ := member.(map[string]any)
			tags, ok := operation["tags"].([]any)
			switch {
			case !ok: // The member concerns all operations of the path.
			case slices.Contains(tags, any(tag)):
				answered = append(answered, operation)
			default:
				for _, t := range tags {
					elsewhere[t] = true
				}
				delete(members, method)
			}
		}
		if len(answered) == count {
			delete(paths, path)
		} else if servers, ok := members["servers"]; ok {
			document["servers"] = servers
			delete(members, "servers")
		}
	}
	for _, operation := range answered {
		tags, _ := operation["tags"].([]any)
		operation["tags"] = slices.DeleteFunc(tags, func(t any) bool { return elsewhere[t] })
	}
	if tags, ok := document["tags"].([]any); ok {
		document["tags"] = slices.DeleteFunc(tags, func(t any) bool {
			about, _ := t.(map[string]any)
			return elsewhere[about["name"]]
		})
	}
	prune(document)
}

// prune removes the components that nothing outside them leads to.
func prune(document map[string]any) {
	components, _ := document["components"].(map[string]any)
	used := make(map[string]bool)
	var follow func(node any)
	follow = func(node any) {
		switch node := node.(type) {
		case []any:
			for _, child := range node {
				follow(child)
			}
		case map[string]any:
			ref, _ := node["$ref"].(string)
			if name, ok := strings.CutPrefix(ref, "#/components/"); ok && !used[name] {
				used[name] = true
				kind, key, _ := strings.Cut(name, "/")
				members, _ := components[kind].(map[string]any)
				follow(members[key])
			}
			for _, child := range node {
				follow(child)
			}
		}
	}
	follow(document["paths"])
	for kind, members := range components {
		if kind == "securitySchemes" { // led to by name
			continue
		}
		members, _ := members.(map[string]any)
		maps.DeleteFunc(members, func(key string, _ any) bool { return !used[kind+"/"+key] })
		if len(members) == 0 {
			delete(components, kind)
		}
	}
}
