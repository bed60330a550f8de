package ldsig_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/fedihook/fedihook/signature"
	"github.com/fedihook/fedihook/signature/ldsig"
)

// Whatever is done to a signed document on its way: it is refused, or says what it said.
func TestRearrangementsChangeNothing(t *testing.T) {
	t.Parallel()
	key := must[*vectors](t)(readVectors()).private
	verifier := &ldsig.Verifier{Keys: keyring{wireKey: &key.PublicKey}}
	accepted, valid := 0, 0
	random := rand.New(rand.NewPCG(7, 31))
	for _, name := range []string{"create-note-hashtag-emoji", "create-note-quote-authorized", "undo-announce", "delete-note", "create-note-media"} {
		signed := must[[]byte](t)(ldsig.Sign(wire(t, name), signature.Key{ID: wireKey, Private: key}, 0))
		honest, err := verifier.Verify(t.Context(), signed)
		if err != nil {
			t.Fatal(err)
		}
		want := must[[]byte](t)(json.Marshal(honest))
		for range 30 {
			changed := edit(t, signed, func(doc map[string]any) {
				for range 1 + random.IntN(2) {
					rearrange(random, doc)
				}
			})
			result, err := verifier.Verify(t.Context(), changed)
			if got := must[[]byte](t)(json.Marshal(result)); err == nil && string(got) != string(want) {
				t.Fatalf("%s\nis taken as\n%s, was\n%s", changed, got, want)
			}
			if err == nil {
				accepted++
			} else if withoutRules(t).verify(changed, &key.PublicKey) == nil {
				valid++
			}
		}
	}
	if accepted < 25 || valid < 25 {
		t.Errorf("%d were accepted, %d refused that are valid without rules: too few to show anything", accepted, valid)
	}
}

// rearrange changes one member somewhere, mostly so that the statements stay.
func rearrange(random *rand.Rand, doc map[string]any) {
	var nodes []map[string]any
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			nodes = append(nodes, v)
			for _, name := range sorted(v) {
				if name != "@context" && name != "signature" {
					collect(v[name])
				}
			}
		case []any:
			for _, e := range v {
				collect(e)
			}
		}
	}
	collect(doc)
	node := nodes[random.IntN(len(nodes))]
	names := sorted(node)
	name := names[random.IntN(len(names))]
	for name == "@context" || name == "signature" {
		name = names[random.IntN(len(names))]
	}
	value := node[name]
	list, several := value.([]any)
	text, isText := value.(string)
	switch random.IntN(14) {
	case 0:
		node[name] = []any{value}
	case 1:
		if several && len(list) == 1 {
			node[name] = list[0]
		}
	case 2:
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	case 3:
		if several && len(list) > 0 {
			node[name] = append(list, list[0])
		}
	case 4:
		if isText {
			node[name] = map[string]any{"id": text}
		}
	case 5:
		node[name] = map[string]any{"@value": value}
	case 6:
		delete(node, name)
		node["as:"+name] = value
	case 7:
		node["evil"] = "evil"
	case 8:
		node[[]string{"summary", "icon", "attachment", "startTime", "target"}[random.IntN(5)]] = []any{nil, []any{}}[random.IntN(2)]
	case 9:
		delete(node, name)
	case 10:
		doc["@included"] = []any{map[string]any{"id": node["id"], name: value}}
		delete(node, name)
	case 11:
		node[name] = map[string]any{"@set": value}
	case 12:
		other := nodes[random.IntN(len(nodes))]
		node[name], other[name] = other[name], value
	case 13:
		doc["actor"], doc["object"] = doc["object"], doc["actor"]
	}
}
