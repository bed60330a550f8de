package activity_test

import (
	"testing"
	"time"

	"github.com/fedihook/fedihook/activity"
)

func TestAddressesSayWhenTheyEnd(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 4, 12, 0, 0, 0, time.UTC) // 6a2168c0
	for address, want := range map[string]time.Time{
		"https://scontent-fra5-1.cdninstagram.com/v/t51/1.jpg?stp=x&oh=00_Af&oe=6A2168C0&_nc_sid=1":                   at,
		"https://scontent.xx.fbcdn.net/v/1.jpg?oh=1&oe=6a2168c0":                                                      at,
		"https://s3.example/b/1.jpg?X-Amz-Date=20260604T110000Z&X-Amz-Expires=3600&X-Amz-Signature=aa":                at,
		"https://storage.googleapis.com/b/1.jpg?X-Goog-Date=20260604T110000Z&X-Goog-Expires=3600&X-Goog-Signature=aa": at,
		"https://d1.cloudfront.net/1.jpg?Expires=1780574400&Signature=aa&Key-Pair-Id=bb":                              at,
		"https://a.example/1.jpg": {}, "https://a.example/1.jpg?oe=6A2168C0&oh=1": {}, "https://x.cdninstagram.com/1.jpg?oe=zz&oh=1": {},
		"https://x.cdninstagram.com/1.jpg?oe=6A2168C0": {}, "https://x.cdninstagram.com/1.jpg?oe=7fffffffffffffff&oh=1": {},
		"https://x.cdninstagram.com.evil.example/1.jpg?oe=6A2168C0&oh=1": {}, "https://a.example/?Expires=1780574400": {},
		"https://a.example/?X-Amz-Signature=a&X-Amz-Date=x&X-Amz-Expires=1": {}, "": {}, "?oe=1": {}, "ftp://x.cdninstagram.com/?oe=6A2168C0&oh=1": {},
		"https://a.example/?X-Amz-Signature=a&X-Amz-Date=20260604T110000Z&X-Amz-Expires=-1": {}, "https://a.example/?Expires=-1&Signature=a": {},
	} {
		got, ok := activity.Expiry(address)
		if !got.Equal(want) || ok != !want.IsZero() {
			t.Errorf("%s: %s, %t, want %s", address, got, ok, want)
		}
	}
}

func TestADocumentsMediaEndWithTheFirstOfThem(t *testing.T) {
	t.Parallel()
	late, soon := "https://x.cdninstagram.com/1.jpg?oh=1&oe=6a2168c0", "https://x.cdninstagram.com/2.jpg?oh=1&oe=6a2168b0"
	want := time.Date(2026, 6, 4, 11, 59, 44, 0, time.UTC)
	note := &activity.Object{ID: "https://a.example/1", Type: activity.Types{"Note"}, Attachment: activity.List{
		activity.Embed(activity.Image("https://a.example/3.jpg", "image/jpeg", "")), activity.Embed(activity.Image(late, "image/jpeg", "")),
		activity.Embed(&activity.Link{Type: activity.Types{"Link"}, Href: soon}), activity.IRI(late),
	}}
	who := &activity.Actor{
		ID: "https://a.example/a", Type: activity.Types{"Person"},
		Icon:  activity.Refs{activity.Embed(activity.Image(soon, "image/jpeg", ""))},
		Image: activity.Refs{activity.Embed(activity.Image(late, "image/jpeg", ""))},
	}
	for _, d := range []activity.Document{note, who, activity.Create("https://a.example/c", note)} {
		if at, ok := activity.MediaExpiry(d); !ok || !at.Equal(want) {
			t.Errorf("%T: %s, %t", d, at, ok)
		}
	}
	for _, d := range []activity.Document{&activity.Object{}, &activity.Actor{}, &activity.Activity{}, &activity.Collection{}, &activity.Link{Href: soon}} {
		if at, ok := activity.MediaExpiry(d); ok {
			t.Errorf("%T: %s", d, at)
		}
	}
}

func FuzzExpiry(f *testing.F) {
	f.Add("https://x.cdninstagram.com/1.jpg?oh=1&oe=6a2168c0")
	f.Add("https://s3.example/b/1.jpg?X-Amz-Date=20260604T110000Z&X-Amz-Expires=3600&X-Amz-Signature=aa")
	f.Fuzz(func(t *testing.T, address string) {
		if at, ok := activity.Expiry(address); ok != !at.IsZero() || at.Year() > 10_000 {
			t.Errorf("%q: %s, %t", address, at, ok)
		}
	})
}
