package activity

import (
	"github.com/go-ap/jsonld"
)

// Contexts that every peer has built in.
const (
	securityContext  = "https://w3id.org/security/v1"
	integrityContext = "https://w3id.org/security/data-integrity/v1"
)

// term is the definition of a name that the ActivityStreams context lacks. Names are defined in
// place where they can be: a context at an address is one more server that a peer may fail to reach.
type term struct {
	remote string // the context that defines it, if we refer to one; else:
	prefix string // a name of prefixes, "" if iri needs none or one of the ActivityStreams context
	iri    string
	kind   string      // value of @type
	holds  jsonld.Term // value of @container
}

var prefixes = map[string]string{
	"toot":     "http://joinmastodon.org/ns#",
	"schema":   "http://schema.org#", // not schema.org's own name for itself, but what Mastodon has always written
	"ostatus":  "http://ostatus.org#",
	"misskey":  "https://misskey-hub.net/ns#",
	"litepub":  "http://litepub.social/ns#",
	"fedibird": "http://fedibird.com/ns#",
	"gts":      "https://gotosocial.org/ns#",
	"lemmy":    "https://join-lemmy.org/ns#",
	"pt":       "https://joinpeertube.org/ns#",
	"sec":      "https://w3id.org/security#",
	"wf":       "https://purl.archive.org/socialweb/webfinger#",
}

// terms are the names that we write in their usual spelling. ActivityStreams §2.1.
var terms = map[string]term{
	"publicKey":    {remote: securityContext},
	"owner":        {remote: securityContext},
	"publicKeyPem": {remote: securityContext},
	"signature":    {remote: securityContext}, // and all that stands in it
	"proof":        {remote: integrityContext},

	"Key":                {prefix: "sec", iri: "sec:Key"},
	"Multikey":           {prefix: "sec", iri: "sec:Multikey"},
	"assertionMethod":    {prefix: "sec", iri: "sec:assertionMethod", kind: "@id", holds: jsonld.SetKw},
	"controller":         {prefix: "sec", iri: "sec:controller", kind: "@id"},
	"publicKeyMultibase": {prefix: "sec", iri: "sec:publicKeyMultibase", kind: "sec:multibase"},
	"digestMultibase":    {prefix: "sec", iri: "sec:digestMultibase", kind: "sec:multibase"},
	"webfinger":          {prefix: "wf", iri: "wf:webfinger", kind: "xsd:string"},
	"implements":         {iri: "https://w3id.org/fep/844e/implements", kind: "@id", holds: jsonld.ListKw},

	"Hashtag":                   {iri: "as:Hashtag"},
	"sensitive":                 {iri: "as:sensitive"},
	"manuallyApprovesFollowers": {iri: "as:manuallyApprovesFollowers"},
	"alsoKnownAs":               {iri: "as:alsoKnownAs", kind: "@id"}, // in today's context, but not in older copies of it
	"movedTo":                   {iri: "as:movedTo", kind: "@id"},

	"quote":              {iri: "https://w3id.org/fep/044f#quote", kind: "@id"},
	"quoteUrl":           {iri: "as:quoteUrl"}, // these three are strings to all who write them, and Fedify 2.3.6 (seen 2026-11) refuses an @id
	"quoteUri":           {prefix: "fedibird", iri: "fedibird:quoteUri"},
	"_misskey_quote":     {prefix: "misskey", iri: "misskey:_misskey_quote"},
	"quoteAuthorization": {iri: "https://w3id.org/fep/044f#quoteAuthorization", kind: "@id"},
	"QuoteRequest":       {iri: "https://w3id.org/fep/044f#QuoteRequest"},
	"QuoteAuthorization": {iri: "https://w3id.org/fep/044f#QuoteAuthorization"},

	"interactionPolicy":     {prefix: "gts", iri: "gts:interactionPolicy", kind: "@id"},
	"canLike":               {prefix: "gts", iri: "gts:canLike", kind: "@id"},
	"canReply":              {prefix: "gts", iri: "gts:canReply", kind: "@id"},
	"canAnnounce":           {prefix: "gts", iri: "gts:canAnnounce", kind: "@id"},
	"canQuote":              {prefix: "gts", iri: "gts:canQuote", kind: "@id"},
	"automaticApproval":     {prefix: "gts", iri: "gts:automaticApproval", kind: "@id"},
	"manualApproval":        {prefix: "gts", iri: "gts:manualApproval", kind: "@id"},
	"always":                {prefix: "gts", iri: "gts:always", kind: "@id"},
	"approvalRequired":      {prefix: "gts", iri: "gts:approvalRequired", kind: "@id"},
	"approvedBy":            {prefix: "gts", iri: "gts:approvedBy", kind: "@id"},
	"likeAuthorization":     {prefix: "gts", iri: "gts:likeAuthorization", kind: "@id"},
	"replyAuthorization":    {prefix: "gts", iri: "gts:replyAuthorization", kind: "@id"},
	"announceAuthorization": {prefix: "gts", iri: "gts:announceAuthorization", kind: "@id"},
	"interactingObject":     {prefix: "gts", iri: "gts:interactingObject", kind: "@id"},
	"interactionTarget":     {prefix: "gts", iri: "gts:interactionTarget", kind: "@id"},
	"LikeRequest":           {prefix: "gts", iri: "gts:LikeRequest"},
	"ReplyRequest":          {prefix: "gts", iri: "gts:ReplyRequest"},
	"AnnounceRequest":       {prefix: "gts", iri: "gts:AnnounceRequest"},
	"LikeAuthorization":     {prefix: "gts", iri: "gts:LikeApproval"}, // GoToSocial's own context says so
	"ReplyAuthorization":    {prefix: "gts", iri: "gts:ReplyAuthorization"},
	"AnnounceAuthorization": {prefix: "gts", iri: "gts:AnnounceAuthorization"},
	"LikeApproval":          {prefix: "gts", iri: "gts:LikeApproval"},
	"ReplyApproval":         {prefix: "gts", iri: "gts:ReplyApproval"},
	"AnnounceApproval":      {prefix: "gts", iri: "gts:AnnounceApproval"},

	"canFeature":           {iri: "https://w3id.org/fep/7aa9#canFeature", kind: "@id"},
	"topic":                {iri: "https://w3id.org/fep/7aa9#topic", kind: "@id"},
	"featuredObject":       {iri: "https://w3id.org/fep/7aa9#featuredObject", kind: "@id"},
	"featureAuthorization": {iri: "https://w3id.org/fep/7aa9#featureAuthorization", kind: "@id"},
	"featuredCollections":  {iri: "https://w3id.org/fep/7aa9#featuredCollections", kind: "@id"}, // Mastodon 4.6 writes it undefined
	"FeaturedCollection":   {iri: "https://w3id.org/fep/7aa9#FeaturedCollection"},
	"FeaturedItem":         {iri: "https://w3id.org/fep/7aa9#FeaturedItem"},
	"FeatureRequest":       {iri: "https://w3id.org/fep/7aa9#FeatureRequest"},
	"FeatureAuthorization": {iri: "https://w3id.org/fep/7aa9#FeatureAuthorization"},

	"Emoji":              {prefix: "toot", iri: "toot:Emoji"},
	"featured":           {prefix: "toot", iri: "toot:featured", kind: "@id"},
	"featuredTags":       {prefix: "toot", iri: "toot:featuredTags", kind: "@id"},
	"discoverable":       {prefix: "toot", iri: "toot:discoverable"},
	"indexable":          {prefix: "toot", iri: "toot:indexable"},
	"suspended":          {prefix: "toot", iri: "toot:suspended"},
	"memorial":           {prefix: "toot", iri: "toot:memorial"},
	"showFeatured":       {prefix: "toot", iri: "toot:showFeatured"},
	"showMedia":          {prefix: "toot", iri: "toot:showMedia"},
	"showRepliesInMedia": {prefix: "toot", iri: "toot:showRepliesInMedia"},
	"attributionDomains": {prefix: "toot", iri: "toot:attributionDomains", holds: jsonld.SetKw},
	"votersCount":        {prefix: "toot", iri: "toot:votersCount"},
	"blurhash":           {prefix: "toot", iri: "toot:blurhash"},
	"focalPoint":         {prefix: "toot", iri: "toot:focalPoint", holds: jsonld.ListKw},

	"PropertyValue": {prefix: "schema", iri: "schema:PropertyValue"},
	"value":         {prefix: "schema", iri: "schema:value"},

	"EmojiReact":        {prefix: "litepub", iri: "litepub:EmojiReact"},
	"ChatMessage":       {prefix: "litepub", iri: "litepub:ChatMessage"},
	"directMessage":     {prefix: "litepub", iri: "litepub:directMessage"},
	"searchableBy":      {prefix: "fedibird", iri: "fedibird:searchableBy", kind: "@id"}, // FEP-268d
	"emojiReactions":    {prefix: "fedibird", iri: "fedibird:emojiReactions", kind: "@id"},
	"conversation":      {prefix: "ostatus", iri: "ostatus:conversation"},
	"_misskey_reaction": {prefix: "misskey", iri: "misskey:_misskey_reaction"},
	"_misskey_votes":    {prefix: "misskey", iri: "misskey:_misskey_votes"},

	"Lock":                    {prefix: "lemmy", iri: "lemmy:Lock"},
	"moderators":              {prefix: "lemmy", iri: "lemmy:moderators", kind: "@id"},
	"postingRestrictedToMods": {prefix: "lemmy", iri: "lemmy:postingRestrictedToMods"},
	"stickied":                {prefix: "lemmy", iri: "lemmy:stickied"},
	"distinguished":           {prefix: "lemmy", iri: "lemmy:distinguished"},
	"commentsEnabled":         {prefix: "pt", iri: "pt:commentsEnabled"},
	"size":                    {prefix: "pt", iri: "pt:size"},
}
