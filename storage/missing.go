package storage

// Missing names the first store that is nil, "" if all are there.
func (s Storage) Missing() string {
	for _, store := range []struct {
		name string
		is   bool
	}{
		{"Intents", s.Intents != nil}, {"Log", s.Log != nil}, {"Journal", s.Journal != nil}, {"Followers", s.Followers != nil},
		{"Keys", s.Keys != nil}, {"Remotes", s.Remotes != nil}, {"Rules", s.Rules != nil}, {"Hosts", s.Hosts != nil}, {"Queue", s.Queue != nil},
		{"Relays", s.Relays != nil}, {"Forwards", s.Forwards != nil}, {"Moves", s.Moves != nil}, {"Stamps", s.Stamps != nil},
	} {
		if !store.is {
			return store.name
		}
	}
	return ""
}
