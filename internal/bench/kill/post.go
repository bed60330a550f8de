package kill

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Deleted is the revision of a post that is gone.
const Deleted = 1 << 20

// PostText is the content of a revision of a post.
func PostText(k, rev int) string { return fmt.Sprintf("post %d rev %d", k, rev) }

var revision = regexp.MustCompile(`post (\d+) rev (\d+)`)

// ReadPost tells which revision of which post an activity is about.
func ReadPost(origin string, body []byte) (k, rev int, create bool, err error) {
	var a struct {
		Type   string
		Object json.RawMessage
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return 0, 0, false, err
	}
	var object struct{ ID, Content string }
	if err := json.Unmarshal(a.Object, &object.ID); err != nil {
		if err := json.Unmarshal(a.Object, &object); err != nil {
			return 0, 0, false, err
		}
	}
	number, ours := strings.CutPrefix(object.ID, origin+"/posts/")
	if k, err = strconv.Atoi(number); err != nil || !ours {
		return 0, 0, false, fmt.Errorf("no post of ours: %q", object.ID)
	}
	if a.Type == "Delete" {
		return k, Deleted, false, nil
	}
	text := revision.FindStringSubmatch(object.Content)
	// A post that was edited before it was handed over goes out as it is then.
	if text == nil || text[1] != number || a.Type != "Create" && text[2] == "0" {
		return 0, 0, false, fmt.Errorf("a %s of %q", a.Type, object.Content)
	}
	rev, err = strconv.Atoi(text[2])
	return k, rev, a.Type == "Create", err
}
