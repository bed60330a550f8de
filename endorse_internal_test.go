package fedihook

import "testing"

func TestAMemberIsTakenOutAndAllElseStaysAsItIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ document, rest, value string }{
		{`{"a":1}`, `{}`, `1`},
		{`{"a":1,"b":"w\u0068"}`, `{"b":"w\u0068"}`, `1`},
		{`{ "a" : [1] , "b":2}`, `{ "b":2}`, `[1]`},
		{`{"b":2,"a":{"a":3}}`, `{"b":2}`, `{"a":3}`},
		{`{"b":2,"a":1,"c":3}`, `{"b":2,"c":3}`, `1`},
		{`{"b":{"a":1}}`, `{"b":{"a":1}}`, ``},
	} {
		rest, value, err := takeOut([]byte(c.document), "a")
		if err != nil || string(value) != c.value {
			t.Errorf("%s: %s, %v", c.document, value, err)
		}
		if got := string(rest); got != c.rest {
			t.Errorf("%s: what is left is %s", c.document, got)
		}
	}
	for _, bad := range []string{``, `[]`, `{"b":`, `{"b"`, `{"b":2`} {
		if rest, value, err := takeOut([]byte(bad), "a"); err == nil && value != nil {
			t.Errorf("%s: %s, %s", bad, rest, value)
		}
	}
}
