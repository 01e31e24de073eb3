# For interactive shells that are not login shells, and from .profile. The prompt, colours and completion for everybody are in
# /etc/bash.bashrc.
case $- in *i*) ;; *) return ;; esac
HISTCONTROL=ignoreboth
shopt -s histappend
