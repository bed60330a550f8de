package outbox

import "time"

const day = 24 * time.Hour

// Lifetime is how long an activity of a type is worth sending. What ends or begins something must arrive, and so must an
// Update of who speaks, which may bring a new key; what is only news need not arrive late. How many it is for
// makes no difference.
func Lifetime(typ string, profile bool) time.Duration {
	switch typ {
	case "Update":
		if profile {
			return 7 * day
		}
		return 3 * day
	case "Create":
		return 3 * day
	case "Like", "Dislike", "EmojiReact", "Announce":
		return day
	}
	return 7 * day
}

// Class tells how urgent a [Delivery] is.
type Class uint8

const (
	// Normal is for what people post to their followers. It is the zero value.
	Normal Class = iota
	// Interactive is for what someone waits for: requests and their answers, messages to named people, reactions.
	Interactive
	// Bulk is for boosts, and for what goes to more than a thousand inboxes.
	Bulk
)

// String returns the class's name in lower case.
func (c Class) String() string {
	switch c {
	case Interactive:
		return "interactive"
	case Bulk:
		return "bulk"
	}
	return "normal"
}

// large is how many inboxes make a fan-out Bulk.
const large = 1000

// classOf looks at the type and at how many inboxes it goes to.
func classOf(typ string, followers bool, inboxes int) Class {
	switch {
	case inboxes > large || typ == "Announce":
		return Bulk
	case followers:
		return Normal
	}
	return Interactive
}
