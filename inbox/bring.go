package inbox

import (
	"context"
	"net/http"
	"slices"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/signature"
)

const (
	synchronisation    = "Collection-Synchronization"
	synchronisationLow = "collection-synchronization"
	maxSynchronisation = 2048
)

// uninvited tells whether c, which concerns nobody here, comes from nobody whose word is heard all the same: a relay, or
// somebody who says which followers it has here.
func (in *Inbox) uninvited(ctx context.Context, c *matter, r *http.Request) (bool, error) {
	c.nobodys = true
	var err error
	if c.brought, err = in.brings(ctx, c, ""); err != nil || c.brought {
		return false, err
	}
	from, _ := activity.Authority(c.sender)
	if synchronisationOf(r) == "" || in.Synchronise == nil || from != c.signer {
		return true, nil
	}
	known, err := in.Peers.Known(ctx, c.sender)
	if err != nil {
		return false, c.refuse(http.StatusServiceUnavailable, err)
	}
	return !known, nil
}

func (in *Inbox) brings(ctx context.Context, c *matter, signer string) (bool, error) {
	if in.Brings == nil {
		return false, nil
	}
	ok, err := in.Brings(ctx, c.a, c.signer, signer)
	if err != nil {
		return false, c.refuse(http.StatusServiceUnavailable, err)
	}
	return ok, nil
}

// verified fills in what is known only now that the request was verified. Idle tells that nothing is left to do.
func (in *Inbox) verified(ctx context.Context, c *matter, r *http.Request, v signature.Verified) (idle bool, err error) {
	if v.Owner == c.sender && in.Synchronise != nil && slices.Contains(v.Covered, synchronisationLow) {
		c.sync, c.syncAt = synchronisationOf(r), r.Host
	}
	if !c.nobodys {
		return false, nil
	}
	if c.brought {
		if c.brought, err = in.brings(ctx, c, v.Owner); err != nil {
			return false, err
		}
	}
	c.syncAlone = !c.brought
	return !c.brought && c.sync == "", nil
}

// synchronisationOf is the field by which a sender says which followers it has here, "" if there is none or more than
// one. FEP-8fcf
func synchronisationOf(r *http.Request) string {
	values := r.Header[synchronisation]
	if len(values) != 1 || len(values[0]) > maxSynchronisation {
		return ""
	}
	return values[0]
}
