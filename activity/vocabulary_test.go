package activity_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fedihook/fedihook/activity"
)

// What every object may have by ActivityStreams Vocabulary §4 and ActivityPub §3; a link has much less.
const everyObject = `id type attributedTo to cc bto bcc audience name nameMap summary summaryMap content contentMap mediaType url inReplyTo
	context published updated startTime endTime duration tag attachment icon image preview generator location replies likes shares
	proof signature`

// properties are the names that have a field, spelled out: what is missing here is read into Extra.
var properties = []struct {
	d     activity.Document
	names string
}{
	{&activity.Object{}, everyObject + ` source sensitive conversation emojiReactions
		quote quoteUri quoteUrl _misskey_quote quoteAuthorization
		interactionPolicy approvedBy likeAuthorization replyAuthorization announceAuthorization interactingObject interactionTarget
		oneOf anyOf votersCount _misskey_votes closed width height size blurhash focalPoint digestMultibase
		latitude longitude altitude accuracy radius units subject relationship object target describes value formerType deleted
		featuredObject featureAuthorization owner publicKeyPem controller publicKeyMultibase
		stickied distinguished commentsEnabled directMessage`},
	{&activity.Activity{}, everyObject + ` actor object target origin result instrument _misskey_reaction`},
	{&activity.Actor{}, everyObject + ` preferredUsername webfinger inbox outbox followers following liked streams
		featured featuredTags featuredCollections endpoints publicKey assertionMethod manuallyApprovesFollowers discoverable indexable
		suspended memorial alsoKnownAs movedTo attributionDomains interactionPolicy showFeatured showMedia showRepliesInMedia implements
		moderators postingRestrictedToMods sensitive source formerType deleted`},
	{&activity.Collection{}, everyObject + ` totalItems first last current partOf next prev startIndex items orderedItems topic sensitive discoverable`},
	{&activity.Link{}, `id type href rel mediaType name nameMap hreflang width height size preview attributedTo`},
}

func TestEveryPropertyHasItsField(t *testing.T) {
	t.Parallel()
	for _, shape := range properties {
		got := slices.Sorted(maps.Values(propertyNames(t, shape.d)))
		want := strings.Fields(shape.names)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%T has\n%q, want\n%q", shape.d, got, want)
		}
	}
}

func TestWhatAFieldWritesIsReadBackIntoIt(t *testing.T) {
	t.Parallel()
	for _, shape := range properties {
		typ := reflect.TypeOf(shape.d).Elem()
		for field, name := range propertyNames(t, shape.d) {
			set := reflect.New(typ)
			at := set.Elem().FieldByName(field)
			at.Set(another(t, at))
			written := mustMarshal(t, set.Interface().(activity.Document))
			read := reflect.New(typ)
			if err := json.Unmarshal(written, read.Interface()); err != nil {
				t.Fatal(err)
			}
			if got := read.Elem().FieldByName(field).Interface(); !reflect.DeepEqual(got, at.Interface()) || read.Elem().FieldByName("Extra").Len() > 0 {
				t.Errorf("%s of %s is read as %+v", name, written, read)
			}
		}
	}
}

func TestAValueOfAnyKindIsKeptUnderEveryName(t *testing.T) {
	t.Parallel()
	for _, shape := range properties {
		for _, name := range strings.Fields(shape.names) {
			for _, value := range []string{
				`"https://x.example/"`, `"2026-05-01T12:00:00Z"`, `"2026-05-01T12:00:00.123456+0200"`, `"yesterday"`, `""`, `true`, `false`,
				`0`, `7`, `-0`, `1.50`, `1e2`, `9007199254740993`, `123456789012345678901234567890`,
				`{}`, `{"en":"x"}`, `{"en":5}`, `[]`, `["https://x.example/"]`, `["x:y",{"id":"x:z"}]`, `[null]`, `[[1]]`,
			} {
				fresh := copied(shape.d)
				text := []byte(`{"` + name + `":` + value + `}`)
				if err := json.Unmarshal(text, fresh); err != nil {
					t.Fatal(err)
				}
				mustKeep(t, text, mustMarshal(t, fresh))
			}
		}
	}
}

func TestTheNamesOfTypesAreThoseWithAShape(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "vocabulary.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var constants []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			value, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if spec.Names[0].Name != "Type"+value {
				t.Errorf("%s is %q", spec.Names[0].Name, value)
			}
			constants = append(constants, value)
		}
		return true
	})
	var shaped []string
	for _, group := range vocabulary {
		shaped = append(shaped, group.types...)
	}
	shaped = slices.DeleteFunc(shaped, func(name string) bool {
		switch name {
		case "Object", "Activity", "IntransitiveActivity", "Actor", "ItemCollection": // what nobody writes
			return true
		}
		return false
	})
	slices.Sort(shaped)
	slices.Sort(constants)
	if !slices.Equal(constants, shaped) {
		t.Errorf("constants\n%q, types with a shape\n%q", constants, shaped)
	}
}
