package signature

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// maxWanted bounds the members of an Accept-Signature field that are looked at.
const maxWanted = 4

// Challenge adds to the header of a 401 answer what it should say: WWW-Authenticate (RFC 9110
// §15.5.2) and Accept-Signature (RFC 9421 §5.1), with what a request with this method is to
// cover. Peers that know Accept-Signature, as Fedify and [Transport] do, repeat the request so.
func Challenge(h http.Header, method string) {
	cavage, message := ` digest`, ` "content-digest"`
	if !hasBodyDigest(method) {
		cavage, message = "", ""
	}
	h.Set("WWW-Authenticate", `Signature headers="(request-target) host date`+cavage+`"`)
	h.Set("Accept-Signature", label+`=("@method" "@target-uri" "@authority"`+message+`);created`)
}

// wanted is what one member of an Accept-Signature field asks for and this package can give.
type wanted struct {
	label      string
	covered    []string // beyond what is signed anyway
	nonce, tag string   // empty: not asked for
	expires    bool
	algorithm  string // empty: any
	keyID      string // empty: any
}

// parseWanted reads Accept-Signature (RFC 9421 §5.1) and returns the members that can be given,
// in their order. What breaks the grammar, or asks for what lies outside the profile, is passed
// over: the field only tells what to try.
func parseWanted(h http.Header) []wanted {
	values := h["Accept-Signature"]
	if len(values) != 1 || len(values[0]) > maxField {
		return nil
	}
	d, err := httpsfv.UnmarshalDictionary(values)
	if err != nil {
		return nil
	}
	var all []wanted
	for i, name := range d.Names() {
		if i == maxWanted {
			break
		}
		member, _ := d.Get(name)
		list, ok := member.(httpsfv.InnerList)
		if !ok {
			continue
		}
		if w, ok := parseWantedMember(list); ok {
			w.label = name
			all = append(all, w)
		}
	}
	return all
}

func parseWantedMember(list httpsfv.InnerList) (wanted, bool) {
	var w wanted
	var c claim
	if c.parseComponents(list.Items) != nil || len(c.covered) > maxCovered/2 {
		return w, false
	}
	w.covered = c.covered
	for _, name := range list.Params.Names() {
		value, _ := list.Params.Get(name)
		text, isText := value.(string)
		if isText && (text == "" || len(text) > maxKeyID || !every(text, isQuotable)) {
			return w, false
		}
		switch name {
		case "created":
			if value != true {
				return w, false
			}
		case "expires":
			if value != true {
				return w, false
			}
			w.expires = true
		case "nonce":
			w.nonce = text
		case "tag":
			if text != activityPubTag {
				return w, false
			}
			w.tag = text
		case "alg":
			w.algorithm = text
		case "keyid":
			w.keyID = text
		default:
			return w, false
		}
		if name != "created" && name != "expires" && !isText {
			return w, false
		}
	}
	return w, true
}

// madeBy tells whether a key is one that w asks for.
func (w *wanted) madeBy(k Key) bool {
	public, err := publicOf(k.Private)
	if err != nil {
		return false
	}
	name, _ := messageAlgorithm(public)
	return (w.keyID == "" || w.keyID == k.ID) && (w.algorithm == "" || w.algorithm == name)
}

// wantedLife is how long a signature lives whose receiver asks for an expires parameter.
const wantedLife = 5 * time.Minute

// appendParameters writes the parameters that w asks for beyond those that are always there.
func (w *wanted) appendParameters(b []byte, created time.Time) []byte {
	if w.expires {
		b = strconv.AppendInt(append(b, ";expires="...), created.Add(wantedLife).Unix(), 10)
	}
	if w.nonce != "" {
		b = append(append(append(b, `;nonce="`...), w.nonce...), '"')
	}
	if w.tag != "" {
		b = append(append(append(b, `;tag="`...), w.tag...), '"')
	}
	return b
}

// appendCovered adds to covered what w asks for. A digest of no body is left out, as are fields
// that the request does not have: no signature can cover them.
func (w *wanted) appendCovered(covered []string, m *message) []string {
	for _, name := range w.covered {
		has := strings.HasPrefix(name, "@") || name == "host" || len(m.header[http.CanonicalHeaderKey(name)]) > 0
		if has && !slices.Contains(covered, name) {
			covered = append(covered, name)
		}
	}
	return covered
}
