package awsfault

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// assume gets credentials of another account from moto.
func assume(ctx context.Context, moto, account string) (key, secret, token string, err error) {
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleSessionName": {"test"}, "RoleArn": {"arn:aws:iam::" + account + ":role/test"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, moto+"/", strings.NewReader(form.Encode()))
	if err != nil {
		return "", "", "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", "", "", err
	}
	defer res.Body.Close()
	var out struct {
		Key    string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Token  string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	if err := xml.NewDecoder(res.Body).Decode(&out); err != nil || out.Key == "" {
		return "", "", "", fmt.Errorf("assume a role of %s: %s, %w", account, res.Status, err)
	}
	return out.Key, out.Secret, out.Token, nil
}
