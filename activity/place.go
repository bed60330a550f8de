package activity

import (
	"encoding/json"
	"math"
	"strconv"
)

// Float reads a number, also one in a string, as Pixelfed writes latitudes. It rounds to the nearest
// float64. Ok is false for everything else and for what is beyond all float64s.
func Float(raw json.RawMessage) (f float64, ok bool) {
	text, isString := readString(raw)
	if !isString {
		text = string(raw)
	}
	if !json.Valid([]byte(text)) { // ParseFloat takes more: NaN, hexadecimal, underscores
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// Position is a point on the Earth in degrees, north and east positive. Its zero value is in the
// Gulf of Guinea.
type Position struct{ Latitude, Longitude float64 }

// Position is where o, a Place, lies. Ok is false if it does not say or if there is no such place.
// ActivityStreams Vocabulary §4.
func (o *Object) Position() (p Position, ok bool) {
	latitude, north := Float(o.Latitude)
	longitude, east := Float(o.Longitude)
	if !north || !east || math.Abs(latitude) > 90 || math.Abs(longitude) > 180 {
		return Position{}, false
	}
	return Position{latitude, longitude}, true
}

// Place makes a Place at p, for the location of an object. name is what people call it.
func Place(name string, p Position) *Object {
	number := func(f float64) json.RawMessage { return strconv.AppendFloat(nil, f, 'f', -1, 64) }
	return &Object{Type: Types{TypePlace}, Name: name, Latitude: number(p.Latitude), Longitude: number(p.Longitude)}
}
