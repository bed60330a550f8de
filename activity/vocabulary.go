package activity

// These are plain strings: a type that is missing here works as well. A new one gets a constant here, a shape
// in shapes and, if the ActivityStreams context lacks it, a definition in terms.

// Types of activities. ActivityStreams Vocabulary §3.1; then what the fediverse added.
const (
	TypeAccept          = "Accept"
	TypeAdd             = "Add"
	TypeAnnounce        = "Announce"
	TypeArrive          = "Arrive"
	TypeBlock           = "Block"
	TypeCreate          = "Create"
	TypeDelete          = "Delete"
	TypeDislike         = "Dislike"
	TypeLock            = "Lock" // of a thread in a group, Lemmy
	TypeFlag            = "Flag"
	TypeFollow          = "Follow"
	TypeIgnore          = "Ignore"
	TypeInvite          = "Invite"
	TypeJoin            = "Join"
	TypeLeave           = "Leave"
	TypeLike            = "Like"
	TypeListen          = "Listen"
	TypeMove            = "Move"
	TypeOffer           = "Offer"
	TypeRead            = "Read"
	TypeReject          = "Reject"
	TypeRemove          = "Remove"
	TypeTentativeAccept = "TentativeAccept"
	TypeTentativeReject = "TentativeReject"
	TypeTravel          = "Travel"
	TypeUndo            = "Undo"
	TypeUpdate          = "Update"
	TypeView            = "View"

	TypeEmojiReact      = "EmojiReact"      // Pleroma, FEP-c0e0
	TypeQuoteRequest    = "QuoteRequest"    // FEP-044f
	TypeLikeRequest     = "LikeRequest"     // GoToSocial
	TypeReplyRequest    = "ReplyRequest"    // GoToSocial
	TypeAnnounceRequest = "AnnounceRequest" // GoToSocial
	TypeFeatureRequest  = "FeatureRequest"  // Mastodon 4.6
)

// Types of actors. ActivityStreams Vocabulary §3.2.
const (
	TypeApplication  = "Application"
	TypeGroup        = "Group"
	TypeOrganization = "Organization"
	TypePerson       = "Person"
	TypeService      = "Service"
)

// Types of objects. ActivityStreams Vocabulary §3.3; then what the fediverse added.
const (
	TypeArticle      = "Article"
	TypeAudio        = "Audio"
	TypeDocument     = "Document"
	TypeEvent        = "Event"
	TypeImage        = "Image"
	TypeNote         = "Note"
	TypePage         = "Page"
	TypePlace        = "Place"
	TypeProfile      = "Profile"
	TypeQuestion     = "Question"
	TypeRelationship = "Relationship"
	TypeTombstone    = "Tombstone"
	TypeVideo        = "Video"

	TypeEmoji                 = "Emoji"                 // FEP-9098
	TypePropertyValue         = "PropertyValue"         // FEP-fb2a
	TypeChatMessage           = "ChatMessage"           // Pleroma
	TypeQuoteAuthorization    = "QuoteAuthorization"    // FEP-044f
	TypeLikeAuthorization     = "LikeAuthorization"     // GoToSocial
	TypeReplyAuthorization    = "ReplyAuthorization"    // GoToSocial
	TypeAnnounceAuthorization = "AnnounceAuthorization" // GoToSocial
	TypeLikeApproval          = "LikeApproval"          // GoToSocial up to 0.20
	TypeReplyApproval         = "ReplyApproval"         // GoToSocial up to 0.20
	TypeAnnounceApproval      = "AnnounceApproval"      // GoToSocial up to 0.20
	TypeFeaturedItem          = "FeaturedItem"          // Mastodon 4.6
	TypeFeatureAuthorization  = "FeatureAuthorization"  // Mastodon 4.6
	TypeKey                   = "Key"                   // security vocabulary
	TypeMultikey              = "Multikey"              // FEP-521a
)

// Types of collections. ActivityStreams Vocabulary §2; then what the fediverse added.
const (
	TypeCollection            = "Collection"
	TypeCollectionPage        = "CollectionPage"
	TypeOrderedCollection     = "OrderedCollection"
	TypeOrderedCollectionPage = "OrderedCollectionPage"

	TypeFeaturedCollection = "FeaturedCollection" // Mastodon 4.6
)

// Types of links. ActivityStreams Vocabulary §2; then what the fediverse added.
const (
	TypeLink    = "Link"
	TypeMention = "Mention"

	TypeHashtag = "Hashtag"
)
