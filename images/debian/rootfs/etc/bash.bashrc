# For all interactive shells, login shells (by /etc/profile) or not.
[ -z "$PS1" ] && return

# The first shell on the console has the kernel's log as descriptor 9: the prompt is there.
if [ -n "$RINGSIDE_PROMPT" ]; then
	PROMPT_COMMAND='echo "<5>ringside: prompt" >&9; exec 9>&-; unset PROMPT_COMMAND'
	unset RINGSIDE_PROMPT
fi

case :$PATH: in *:/usr/sbin:*) ;; *) PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin ;; esac
shopt -s checkwinsize
PS1='\[\e[1;32m\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ '
alias ls='ls --color=auto' grep='grep --color=auto' ll='ls -l' la='ls -la'

# Reading bash-completion takes a quarter of a second on an emulated CPU: it is read when Tab is first pressed on a command's
# arguments. The result 124 has bash look up the completion of that command again.
_ringside_completion() {
	complete -r -D
	. /usr/share/bash-completion/bash_completion
	_completion_loader "$@"
	return 124
}
if [ -r /usr/share/bash-completion/bash_completion ]; then
	complete -D -F _ringside_completion
	# /etc/profile.d/bash_completion.sh reads it at once unless this is set.
	BASH_COMPLETION_VERSINFO=(later)
fi
