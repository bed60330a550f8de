package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/fedihook/fedihook/actor"
)

const unsigned = "The request was not signed. Threads, GoToSocial and servers in secure mode show actors to signed requests alone: see -key."

// explain says for people what went wrong, with the cause in brackets.
func (t *tool) explain(err error) string {
	var lookup *actor.LookupError
	var fetch *actor.Error
	text := err.Error()
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &lookup):
		text = fmt.Sprintf("%s (%v)", lookup.Sentence(), lookup.Err)
		if t.key == nil && closed(lookup.Reason, lookup.Err) {
			text += " " + unsigned
		}
	case errors.As(err, &fetch):
		text = fmt.Sprintf("%s (%v)", sentence(fetch), err)
	}
	return text
}

// closed tells whether a signature may have opened what was not shown.
func closed(reason actor.Reason, err error) bool {
	var fetch *actor.Error
	return reason == actor.Rejected || reason == actor.Unknown && errors.As(err, &fetch) &&
		fetch.Status == http.StatusNotFound && strings.HasPrefix(fetch.ID, "http")
}

func sentence(e *actor.Error) string {
	switch {
	case errors.Is(e, actor.ErrInvalidID):
		return "That is no name or address that may be asked for."
	case errors.Is(e, actor.ErrGone):
		return "Whoever that was is gone."
	case errors.Is(e, actor.ErrNotFound):
		return "There is nothing of that name."
	case errors.Is(e, actor.ErrRejected):
		return "The server does not let us see that."
	case errors.Is(e, actor.ErrUnreachable):
		return "The server does not answer."
	case errors.Is(e, actor.ErrTooLarge):
		return "The answer is too large."
	}
	return "The server does not answer as servers of the fediverse do."
}
