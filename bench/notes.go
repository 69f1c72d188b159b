package main

import (
	"fmt"
	"os"
	"strings"
)

// notes are what is written by hand about the lines, so that it survives a
// rerun: a text for each line by its name, to be shown when the line misses,
// and a text for all.
type notes struct {
	general string
	of      map[string]string
}

// readNotes reads a file of Markdown: what stands below a heading "## name" is
// the line's, what stands below the title and above the first of them is for
// all. Any other heading has to be deeper. A heading that names no line is an
// error: the line may have been renamed.
func readNotes(name string, lines []line) (notes, error) {
	n := notes{of: map[string]string{}}
	if name == "" {
		return n, nil
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return n, fmt.Errorf("read the notes: %w", err)
	}
	known := map[string]bool{}
	for _, l := range lines {
		known[l.name] = true
	}
	text := strings.ReplaceAll(string(content), "\r\n", "\n")
	if strings.HasPrefix(text, "# ") {
		_, text, _ = strings.Cut(text, "\n")
	}
	sections := strings.Split("\n"+text, "\n## ")
	n.general = strings.TrimSpace(sections[0])
	for _, section := range sections[1:] {
		heading, body, _ := strings.Cut(section, "\n")
		heading = strings.TrimSpace(heading)
		if !known[heading] {
			return n, fmt.Errorf("read the notes: %s has the heading %q, which is no line", name, heading)
		}
		n.of[heading] = strings.TrimSpace(body)
	}
	return n, nil
}

// markdown is what the results say below their table.
func (n notes) markdown(results []result) string {
	var text strings.Builder
	if n.general != "" {
		text.WriteString("\n" + n.general + "\n")
	}
	title := "\n## Lines that miss their target\n"
	for _, r := range results {
		if r.err != nil || r.met() {
			continue
		}
		note := n.of[r.name]
		if note == "" {
			note = "Nothing is said of it in bench/NOTES.md."
		}
		text.WriteString(title + "\n### " + r.name + "\n\n" + note + "\n")
		title = ""
	}
	return text.String()
}
