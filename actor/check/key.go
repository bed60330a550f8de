package check

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"

	"github.com/fedihook/fedihook/signature"
)

const maxMultikeys = 16 // that are looked at, as Misskey does

// keys looks at publicKey and assertionMethod.
func (i *inspection) keys() {
	switch v := i.top["publicKey"].(type) {
	case nil:
		i.find("key-missing", "$.publicKey", nil, "nothing")
	case map[string]any:
		i.key("$.publicKey", v)
	default:
		i.find("key-not-object", "$.publicKey", nil, "%s", kindOfValue(v))
		if list := listOf(v); len(list) > 0 { // the only one that most of them see
			if key, ok := list[0].(map[string]any); ok {
				i.key("$.publicKey[0]", key)
			}
		}
	}
	list := listOf(i.top["assertionMethod"])
	for _, one := range list[:min(len(list), maxMultikeys)] {
		i.multikey(one)
	}
}

func (i *inspection) key(path string, key map[string]any) {
	switch id, ok := key["id"].(string); {
	case !ok || id == "":
		i.find("key-id-missing", path+".id", nil, "%s", quoted(key["id"]))
	case i.own && !sameHost(id, i.id):
		i.sameHost("key-id-other-host", path+".id", nil, id)
	case i.own && !strings.Contains(id, "#"):
		i.find("key-id-without-fragment", path+".id", nil, "%s", quoted(id))
	case i.own && !strings.HasPrefix(id, i.id+"#"):
		i.find("key-id-of-another", path+".id", nil, "%s is not of %s", quoted(id), quoted(i.id))
	}
	switch owner, ok := key["owner"].(string); {
	case !ok || owner == "":
		i.find("key-owner-missing", path+".owner", nil, "%s", quoted(key["owner"]))
	case i.own && owner != i.id:
		i.find("key-owner-differs", path+".owner", nil, "%s, not %s", quoted(owner), quoted(i.id))
	}
	text, ok := key["publicKeyPem"].(string)
	if !ok || text == "" {
		i.find("key-pem-missing", path+".publicKeyPem", nil, "%s", quoted(key["publicKeyPem"]))
		return
	}
	i.keyText(path+".publicKeyPem", text)
}

// keyText looks at the key itself.
func (i *inspection) keyText(path, text string) {
	public, err := signature.ParsePublicKey(text)
	if err != nil {
		if bits := rsaBits(text); bits > 0 {
			i.find("key-size", path, nil, "an RSA key of %d bits", bits)
			return
		}
		i.find("key-unreadable", path, nil, "%s", shortened(err.Error()))
		return
	}
	if _, ok := public.(*rsa.PublicKey); !ok {
		i.find("key-not-rsa", path, nil, "a %T", public)
	}
	if strings.Contains(text, "BEGIN RSA PUBLIC KEY") {
		i.find("key-pkcs1", path, nil, "PKCS #1")
	}
}

// rsaBits is the size of an RSA key that is refused for it, 0 of anything else.
func rsaBits(text string) int {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return 0
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		if public, err = x509.ParsePKCS1PublicKey(block.Bytes); err != nil {
			return 0
		}
	}
	k, ok := public.(*rsa.PublicKey)
	if !ok || k.N.BitLen() >= 2048 && k.N.BitLen() <= 8192 {
		return 0
	}
	return k.N.BitLen()
}

// multikey looks at an entry of assertionMethod. Ids and keys of other kinds are passed over, as everyone does.
func (i *inspection) multikey(v any) {
	key, ok := v.(map[string]any)
	if !ok || key["type"] != "Multikey" {
		return
	}
	const path = "$.assertionMethod"
	if controller, _ := key["controller"].(string); i.own && controller != i.id {
		i.find("multikey-unusable", path+".controller", nil, "%s, not %s", quoted(key["controller"]), quoted(i.id))
	}
	if text, _ := key["publicKeyMultibase"].(string); !strings.HasPrefix(text, "z") && !strings.HasPrefix(text, "u") {
		i.find("multikey-unusable", path+".publicKeyMultibase", nil, "%s", quoted(key["publicKeyMultibase"]))
	}
}
