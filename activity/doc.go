// Package activity reads and writes the documents of the fediverse: ActivityStreams 2.0
// objects, activities, actors, collections and links, one at a time and without loss.
//
// [Decode] turns bytes into a [Document], which is one of five structs: [*Object], [*Activity],
// [*Actor], [*Collection] or [*Link]. [Encode] writes one for the wire, with the @context that
// its terms need. The structs tell shapes apart; the field Type tells meanings apart, and a type
// that nobody has heard of is a value like any other. What has no field, and what did not fit its
// field, stays in Extra and is written back.
//
// A document's shape follows from its types, and where nobody knows them from the properties that only
// one shape has: inbox, actor, items, href. The names of types are constants, TypeNote and so on.
//
// What is common has a constructor. [Note] and [Object.Address] make a post for a [Visibility], [Create], [Update]
// and [Delete] say so; [Follow], [Accept], [Like], [Announce] and [Undo] do what their names say, in the form
// that every peer takes. [Check] names what a document of another making would break, and at which peer.
//
// It fetches nothing, believes nothing and processes no JSON-LD: whether a document is true is
// decided in package inbox, who is meant by an id in package actor. Property names are matched
// exactly, as every server in the field writes them.
//
// Experimental: names may change before version 1.0.
package activity
