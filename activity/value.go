package activity

import "slices"

// Types is the property type: one name, or several. ActivityStreams §4.1.
type Types []string

// Is reports whether name is among t.
func (t Types) Is(name string) bool { return slices.Contains(t, name) }

// String is the first type, which is what the fediverse goes by, or "".
func (t Types) String() string {
	if len(t) == 0 {
		return ""
	}
	return t[0]
}

// MarshalJSON writes one bare and many as a list.
func (t Types) MarshalJSON() ([]byte, error) {
	return written(func(w *writer) error { return w.types(t, roleAny) })
}

// UnmarshalJSON reads one or many. null changes nothing.
func (t *Types) UnmarshalJSON(data []byte) error { return unmarshal(data, t) }

func (t *Types) read(v value) bool {
	if v.kind() == '"' {
		*t = Types{v.text()}
		return true
	}
	if v.kind() != '[' {
		return false
	}
	out := make(Types, 0, v.count())
	for one := range v.elements() {
		if one.kind() != '"' {
			return false
		}
		out = append(out, one.text())
	}
	*t = out
	return true
}

// LangMap holds a text in several languages, keyed by language tag. ActivityStreams §4.7.
type LangMap map[string]string

func (l *LangMap) read(v value) bool {
	if v.kind() != '{' {
		return false
	}
	out := make(LangMap)
	for tag, text := range v.members() {
		if text.kind() != '"' {
			return false
		}
		out[tag.text()] = text.text()
	}
	*l = out
	return true
}
