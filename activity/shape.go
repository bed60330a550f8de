package activity

import (
	vocab "github.com/go-ap/activitypub"
)

type shape uint8

const (
	shapeUnknown shape = iota
	shapeObject
	shapeLink
	shapeCollection
	shapeActivity
	shapeActor
)

// shapes tells which struct holds a document of a type. It is go-ap's vocabulary, copied once
// because those sets are variables that anybody may change, with what the fediverse added.
var shapes = func() map[string]shape {
	m := make(map[string]shape)
	add := func(s shape, types vocab.ActivityVocabularyTypes) {
		for _, t := range types {
			m[string(t)] = s
		}
	}
	add(shapeActivity, vocab.ActivityTypes)
	add(shapeActivity, vocab.IntransitiveActivityTypes)
	add(shapeActivity, vocab.ActivityVocabularyTypes{vocab.ActivityType, vocab.IntransitiveActivityType})
	add(shapeActor, vocab.ActorTypes)
	add(shapeActor, vocab.ActivityVocabularyTypes{vocab.ActorType})
	add(shapeCollection, vocab.CollectionTypes)
	add(shapeLink, vocab.LinkTypes)
	add(shapeObject, vocab.ObjectTypes)
	add(shapeObject, vocab.ActivityVocabularyTypes{vocab.ObjectType})
	for t, s := range map[string]shape{
		// ActivityStreams calls a Question an activity; every server posts it as the object of a Create.
		"Question": shapeObject,

		"EmojiReact": shapeActivity, "QuoteRequest": shapeActivity, // FEP-c0e0, FEP-044f
		"Hashtag": shapeLink,
		"Emoji":   shapeObject, "PropertyValue": shapeObject, "ChatMessage": shapeObject, // FEP-9098, FEP-fb2a
		"QuoteAuthorization": shapeObject, "Key": shapeObject, "Multikey": shapeObject, // FEP-521a
	} {
		m[t] = s
	}
	return m
}()

// shapeOf goes by type, and for types that we do not know by the properties that only one shape has.
func shapeOf(top members) shape {
	var best shape
	if raw, ok := top.get("type"); ok {
		var types Types
		types.read(raw)
		for _, t := range types {
			best = max(best, shapes[t])
		}
	}
	if best != shapeUnknown {
		return best
	}
	has := func(name string) bool { v, ok := top.get(name); return ok && v.Kind() != 'n' }
	switch {
	case has("inbox"):
		return shapeActor
	case has("actor"):
		return shapeActivity
	case has("items"), has("orderedItems"), has("totalItems"):
		return shapeCollection
	case has("href") && !has("id"):
		return shapeLink
	}
	return shapeObject
}

// IsActorType reports whether name is one of the types of actors, as Person is.
func IsActorType(name string) bool { return shapes[name] == shapeActor }

// IsActivityType reports whether name is one of the types of activities, as Create is.
func IsActivityType(name string) bool { return shapes[name] == shapeActivity }
