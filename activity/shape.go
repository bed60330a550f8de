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
		TypeQuestion: shapeObject,

		TypeLock:       shapeActivity,                                                                     // FEP-1b12
		TypeEmojiReact: shapeActivity, TypeQuoteRequest: shapeActivity, TypeFeatureRequest: shapeActivity, // FEP-c0e0, FEP-044f
		TypeLikeRequest: shapeActivity, TypeReplyRequest: shapeActivity, TypeAnnounceRequest: shapeActivity,
		TypeHashtag:            shapeLink,
		TypeFeaturedCollection: shapeCollection,
		TypeEmoji:              shapeObject, TypePropertyValue: shapeObject, TypeChatMessage: shapeObject, // FEP-9098, FEP-fb2a
		TypeQuoteAuthorization: shapeObject, TypeFeatureAuthorization: shapeObject, TypeFeaturedItem: shapeObject,
		TypeLikeAuthorization: shapeObject, TypeReplyAuthorization: shapeObject, TypeAnnounceAuthorization: shapeObject,
		TypeLikeApproval: shapeObject, TypeReplyApproval: shapeObject, TypeAnnounceApproval: shapeObject,
		TypeKey: shapeObject, TypeMultikey: shapeObject, // FEP-521a
	} {
		m[t] = s
	}
	return m
}()

// shapeOf goes by type, and for types that we do not know by the properties that only one shape has.
func shapeOf(v value) shape {
	if t, ok := v.find("type", typeHash); ok {
		if best := shapeOfTypes(t); best != shapeUnknown {
			return best
		}
	}
	var inbox, actor, items, href, id bool
	for name, member := range v.members() {
		there := member.kind() != 'n'
		switch name.text() {
		case "inbox":
			inbox = there
		case "actor":
			actor = there
		case "items", "orderedItems", "totalItems":
			items = items || there
		case "href":
			href = there
		case "id":
			id = there
		}
	}
	switch {
	case inbox:
		return shapeActor
	case actor:
		return shapeActivity
	case items:
		return shapeCollection
	case href && !id:
		return shapeLink
	}
	return shapeObject
}

// shapeOfTypes is the shape of one type or of several, if they are types at all.
func shapeOfTypes(v value) shape {
	best := shapes[v.text()]
	for one := range v.elements() {
		if one.kind() != '"' {
			return shapeUnknown
		}
		best = max(best, shapes[one.text()])
	}
	return best
}

// IsActorType reports whether name is one of the types of actors, as Person is.
func IsActorType(name string) bool { return shapes[name] == shapeActor }

// IsActivityType reports whether name is one of the types of activities, as Create is.
func IsActivityType(name string) bool { return shapes[name] == shapeActivity }
