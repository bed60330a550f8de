package actor

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/fedihook/fedihook/activity"
)

const (
	maxWritten = 16 << 20 // bytes of documents that a Handler keeps
	maxInput   = 64 << 10 // bytes of what one was made of; a larger one is made each time
)

// written is a document as it is served, with what it was made of.
type written struct {
	from []byte
	encoded
}

// actorBody is an actor's document as it is served. The app was asked for p and the keyring is asked for the
// keys; only if these are, byte for byte, what the last document was made of, that one is served again.
// Writing it anew takes 30 times as long.
func (h *Handler) actorBody(ctx context.Context, p Profile) (*encoded, error) {
	c := &h.Collections
	linked := [...]bool{c.Liked != nil, c.Featured != nil, c.FeaturedTags != nil}
	from, ok := appendAll(make([]byte, 0, 2<<10), &p, &linked, &h.Names.Origin, &h.Names.Prefix, &h.Names.Domain)
	old := h.lastBody("actor " + p.ID)
	if !ok || !bytes.HasPrefix(old.from, from) {
		if err := p.check(h.Names); err != nil {
			return nil, err // before a key is made for it
		}
	}
	keys, err := h.Keyring.Public(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	if ok {
		from, ok = appendAll(from, &keys)
	}
	if ok && bytes.Equal(old.from, from) {
		return &old.encoded, nil
	}
	a, err := h.describe(ctx, p)
	if err != nil {
		return nil, err
	}
	body, err := activity.Encode(a)
	if err != nil {
		return nil, err
	}
	fresh := &written{from: from, encoded: *newEncoded(body, a.Updated)}
	if ok {
		h.bodies.put("actor "+p.ID, fresh, len(from)+len(body))
	}
	return &fresh.encoded, nil
}

// fingerBody is what WebFinger answers of an actor, kept as actorBody keeps the document.
func (h *Handler) fingerBody(p Profile, rels []string) (*encoded, error) {
	from, ok := appendAll(make([]byte, 0, 1<<10), &p, &h.Names.Origin, &h.Names.Prefix, &h.Names.Domain, &h.Subscribe, &h.Intents)
	if ok = ok && len(rels) == 0; ok {
		if old := h.lastBody("finger " + p.ID); bytes.Equal(old.from, from) {
			return &old.encoded, nil
		}
	}
	if err := p.check(h.Names); p.ID != h.Names.Instance() && err != nil {
		return nil, err
	}
	j := h.jrd(p)
	if len(rels) > 0 { // RFC 7033 §4.3
		j.Links = slices.DeleteFunc(j.Links, func(l JRDLink) bool { return !slices.Contains(rels, l.Rel) })
	}
	body, err := encode(j)
	if err != nil {
		return nil, err
	}
	fresh := &written{from: from, encoded: *newEncoded(body, time.Time{})}
	if ok {
		h.bodies.put("finger "+p.ID, fresh, len(from)+len(body))
	}
	return &fresh.encoded, nil
}

// lastBody is what was written last under a key. It was made of nothing if there is none.
func (h *Handler) lastBody(key string) *written {
	h.once.Do(func() { h.bodies = newCache[*written](maxWritten) })
	if old, ok := h.bodies.get(key); ok {
		return old
	}
	return &written{}
}

// appendAll appends what pointers point to, see appendValue.
func appendAll(b []byte, pointers ...any) (_ []byte, ok bool) {
	for _, p := range pointers {
		if b, ok = appendValue(b, reflect.ValueOf(p).Elem(), 0); !ok {
			return b, false
		}
	}
	return b, true
}

// appendValue appends v in a form in which two values are equal only if they are. It is false for what it
// can't tell, such as a function. Unlike a hash it can't confuse two, and unlike a copy that shares a
// slice with the app it does not change when the app changes that.
func appendValue(b []byte, v reflect.Value, depth int) ([]byte, bool) {
	if depth > 16 || len(b) > maxInput {
		return b, false
	}
	if t, ok := timeOf(v); ok {
		_, offset := t.Zone()
		b = binary.AppendVarint(b, t.Unix())
		b = binary.AppendVarint(b, int64(t.Nanosecond()))
		return binary.AppendVarint(b, int64(offset)), true
	}
	ok := true
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1), true
		}
		return append(b, 0), true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(b, v.Int()), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(b, v.Uint()), true
	case reflect.Float32, reflect.Float64:
		return binary.AppendUvarint(b, math.Float64bits(v.Float())), true
	case reflect.String:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		return append(b, v.String()...), true
	case reflect.Slice, reflect.Array:
		// Nil and empty may be written differently.
		if v.Kind() == reflect.Slice && v.IsNil() {
			return append(b, 0), true
		}
		b = binary.AppendUvarint(append(b, 1), uint64(v.Len()))
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return append(b, v.Bytes()...), true
		}
		for i := 0; i < v.Len() && ok; i++ {
			b, ok = appendValue(b, v.Index(i), depth+1)
		}
		return b, ok
	case reflect.Struct:
		for i := 0; i < v.NumField() && ok; i++ {
			b, ok = appendValue(b, v.Field(i), depth+1)
		}
		return b, ok
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return append(b, 0), true
		}
		if b = append(b, 1); v.Kind() == reflect.Interface {
			name := v.Elem().Type().String()
			b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		}
		return appendValue(b, v.Elem(), depth+1)
	case reflect.Map:
		if v.Len() == 0 || v.Type() == textsType {
			return appendTexts(b, v)
		}
	}
	return b, false
}

var textsType = reflect.TypeFor[map[string]string]()

func appendTexts(b []byte, v reflect.Value) ([]byte, bool) {
	if v.IsNil() {
		return append(b, 0), true
	}
	if b = append(b, 1); v.Len() == 0 {
		return append(b, 0), true
	}
	if !v.CanInterface() {
		return b, false
	}
	texts, _ := v.Interface().(map[string]string)
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, k := range slices.Sorted(maps.Keys(texts)) {
		for _, s := range [...]string{k, texts[k]} {
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
	}
	return b, true
}

var timeType = reflect.TypeFor[time.Time]()

// timeOf is the time that v is, if it is one that can be read without a copy.
func timeOf(v reflect.Value) (t time.Time, ok bool) {
	if v.Kind() != reflect.Struct || v.Type() != timeType || !v.CanAddr() || !v.Addr().CanInterface() {
		return t, false
	}
	p, ok := v.Addr().Interface().(*time.Time)
	if !ok {
		return t, false
	}
	return *p, true
}
