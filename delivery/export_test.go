package delivery

import "github.com/fedihook/fedihook/internal/safehttp"

// NewIn is New, with the default client moved into a network of the test's.
func NewIn(c Config, network safehttp.Config) (*Queue, error) {
	q, err := New(c)
	if err != nil {
		return nil, err
	}
	guarded := q.guarded()
	guarded.Lookup, guarded.Dial, guarded.RootCAs = network.Lookup, network.Dial, network.RootCAs
	client, err := safehttp.New(guarded)
	if err != nil {
		return nil, err
	}
	q.base = client.Transport
	return q, nil
}
