package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// tree is a line with others under it.
type tree struct {
	text  string
	under []tree
}

// leaf is a line with a name in front; it is left out where the value is "".
func (t *tree) leaf(name, value string) {
	if value != "" {
		t.under = append(t.under, tree{text: name + ": " + value})
	}
}

func (t *tree) branch(b tree) { t.under = append(t.under, b) }

// write draws t.
func (t tree) write(w io.Writer) error {
	if _, err := fmt.Fprintln(w, clean(t.text)); err != nil {
		return err
	}
	return t.writeUnder(w, "")
}

func (t tree) writeUnder(w io.Writer, margin string) error {
	for n, one := range t.under {
		line, next := "├─ ", "│  "
		if n == len(t.under)-1 {
			line, next = "└─ ", "   "
		}
		if _, err := fmt.Fprintf(w, "%s%s%s\n", margin, line, clean(one.text)); err != nil {
			return err
		}
		if err := one.writeUnder(w, margin+next); err != nil {
			return err
		}
	}
	return nil
}

// clean keeps what strangers wrote from moving the cursor, turning the text around or breaking the tree.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
}

// values draws a JSON value.
func values(name string, v any) tree {
	switch v := v.(type) {
	case map[string]any:
		t := tree{text: name}
		for _, key := range sortedKeys(v) {
			t.branch(values(key, v[key]))
		}
		return t
	case []any:
		t := tree{text: name}
		for n, one := range v {
			t.branch(values(fmt.Sprint(n), one))
		}
		return t
	case string:
		return tree{text: name + ": " + v}
	}
	text, _ := json.Marshal(v) // a number, a boolean or null
	return tree{text: name + ": " + string(text)}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// show writes v as JSON or else draws t.
func (t *tool) show(v any, drawn tree) error {
	if !t.json {
		return drawn.write(t.stdout)
	}
	e := json.NewEncoder(t.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
