#!/bin/sh
# Fills the site's template in from the environment.
set -eu

sed "s/@PORT@/$PORT/" /etc/nginx/site.template >/etc/nginx/conf.d/site.conf
