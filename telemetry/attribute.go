package telemetry

import (
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Attribute is what a metric or a span says besides.
type Attribute struct {
	Name  string
	About string
	// Values are all that it can have, "other" among them where there may be more. Nil: any, which only spans have.
	Values []string
}

// The attributes of metrics. Each has few values.
var (
	attrType = Attribute{"fedihook.activity.type", "its type, if it is one of these", []string{
		"Accept", "Add", "Announce", "Block", "Create", "Delete", "Dislike", "EmojiReact", "Flag", "Follow", "Like", "Move", "QuoteRequest",
		"Reject", "Remove", "Undo", "Update", other,
	}}
	attrClass   = Attribute{"fedihook.delivery.class", "how urgent it is", []string{"interactive", "normal", "bulk"}}
	attrOutcome = Attribute{"fedihook.delivery.outcome", "what a post came to: deferred is tried again by itself, paused with all " +
		"of its host", []string{"delivered", "deferred", "paused", "gone", "dead", "dropped", "vanished", "aborted"}}
	attrStage = Attribute{"fedihook.delivery.stage", "a part of a post: sign lasts until a connection is asked for, wait until there is " +
		"one, without dial and tls, answer from the last byte sent to the first one received", []string{"sign", "wait", "dial", "tls", "answer"}}
	attrStatusClass = Attribute{"fedihook.status_class", "of the answer's status; none came in time", []string{"2xx", "3xx", "4xx", "5xx", "none"}}
	attrHostState   = Attribute{"fedihook.host.state", "of those that are known: left alone after failures, held by an operator, with more " +
		"waiting than is in memory", []string{"known", "failing", "held", "parked"}}
	attrFlush    = Attribute{"fedihook.delivery.flush.outcome", "whether the store took it", []string{"ok", "failed"}}
	attrHandover = Attribute{"fedihook.handover.outcome", "whether the queue took it", []string{"ok", "failed"}}
	attrEnded    = Attribute{"fedihook.outbox.ended.reason", "why it did not go out, or not to all", []string{"expired", "given up", "withdrawn"}}
	attrStatus   = Attribute{"fedihook.inbox.status", "the answer's status", []string{
		"202", "400", "401", "403", "405", "409", "413", "415", "429", "503", other,
	}}
	attrReason = Attribute{"fedihook.inbox.reason", "why: the verification's results, and what else may be wrong", append([]string{
		"accepted", "malformed", "authority", "own", "busy", "full", "filtered", "moderated", "too large",
	}, verifications[1:]...)}
	attrSeen         = Attribute{"fedihook.inbox.seen", "whether it came before", []string{"false", "true"}}
	attrVerification = Attribute{"fedihook.verification.result", "what a signature was found to be", verifications}
	attrScheme       = Attribute{"fedihook.signature.scheme", "how it was signed; none where it was not verified", []string{"draft-cavage-12", "RFC 9421", "none"}}
	attrHook         = Attribute{"fedihook.hook.outcome", "what an entry came to: review is held back by the filter, again is tried again", []string{
		"done", "refused", "pending", "dropped", "review", "again", "dead",
	}}
	attrJournal   = Attribute{"fedihook.journal.state", "what is to be done with an entry", []string{"unfinished", "held", "dead"}}
	attrKeySource = Attribute{"fedihook.key.source", "where a key came from: past is an old one, because its server could not be asked",
		[]string{"memory", "store", "server", "past", "refresh"}}
	attrKeyOutcome = Attribute{"fedihook.key.outcome", "whether there was one", []string{"ok", "gone", "refused", "failed"}}
	attrMedia      = Attribute{"fedihook.media.source", "where a picture came from: past is an old copy, because it could not be fetched",
		[]string{"copy", "server", "past", "none"}}
)

// The attributes that only spans have.
var (
	attrID      = Attribute{Name: "fedihook.activity.id", About: "its id; at the queue with the number of the hand-over"}
	attrHost    = Attribute{Name: "server.address", About: "the other server's host, with its port if that is not the default one"}
	attrAttempt = Attribute{Name: "fedihook.attempt", About: "how often it was tried, this one counted"}
	attrInboxes = Attribute{Name: "fedihook.inboxes", About: "how many inboxes it goes to"}
	attrBatch   = Attribute{Name: "fedihook.batch", About: "how many entries one hook takes at once"}
)

const other = "other"

// verifications are what a signature may be found to be; the first is what it should be.
var verifications = []string{
	"verified", "unsigned", "unsupported", "coverage", "expired", "target", "digest", "bad signature", "no key", "key gone", "refused",
	"owner", "replayed", "key unavailable", "failed",
}

// fold returns value if the attribute can have it, else its last value.
func (a Attribute) fold(value string) string {
	if slices.Contains(a.Values, value) {
		return value
	}
	return a.Values[len(a.Values)-1]
}

// statusClass folds a status. Zero, and what is none, is "none".
func statusClass(status int) string {
	if status < 200 || status > 599 {
		return "none"
	}
	return strconv.Itoa(status/100) + "xx"
}

// maxAttributes bounds those of one metric.
const maxAttributes = 3

// setKey names a set of attributes: a metric, and the values of its attributes.
type setKey struct {
	metric string
	of     [maxAttributes]string
}

// set is the attributes of a measurement. There are as many as there are combinations of values, and each is made once.
func (t *Telemetry) set(m *tool, of []string) metric.MeasurementOption {
	key := setKey{metric: m.Name}
	for i, value := range of {
		key.of[i] = m.Attributes[i].fold(value)
	}
	if made, ok := t.attributes.Load(key); ok {
		return made.(metric.MeasurementOption)
	}
	list := make([]attribute.KeyValue, len(of))
	for i, a := range m.Attributes {
		list[i] = attribute.String(a.Name, key.of[i])
	}
	made, _ := t.attributes.LoadOrStore(key, metric.WithAttributeSet(attribute.NewSet(list...)))
	return made.(metric.MeasurementOption)
}
