package storage_test

import (
	"context"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/moderation"
)

// sameFollowers never notices that somebody's followers have changed.
type sameFollowers struct{ actor.Followers }

func (sameFollowers) FollowersVersion(context.Context, string) (int64, error) { return 1, nil }

// sameKeys never notices that keys go out of use.
type sameKeys struct{ actor.Keys }

func (sameKeys) KeysVersion(context.Context) (int64, error) { return 1, nil }

// hastyRules write at whatever head there is.
type hastyRules struct{ moderation.Rules }

func (r hastyRules) ChangeRulesSince(ctx context.Context, _ moderation.Head, entries []moderation.Entry) (bool, error) {
	return true, r.ChangeRules(ctx, entries)
}
