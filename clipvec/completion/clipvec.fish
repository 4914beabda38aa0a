function __clipvec
    set -l found (clipvec completion fish --line (commandline -cp | string collect) 2> /dev/null)
    if string length -q -- $found
        string join \n -- $found
        return
    end
    # Files, also behind the last = or :.
    set -l word (commandline -ct)
    set -l before (string match -r '^.*[=:]' -- $word)
    set -l path (string replace -r '^.*[=:]' '' -- $word)
    # What is quoted has no ~: the folder is looked into by its path, and written as it was typed.
    set -l real (string replace -r '^~/' "$HOME/" -- $path)
    for file in (__fish_complete_path $real)
        test "$real" = "$path"; or set file '~'(string sub -s (math 1 + (string length -- $HOME)) -- $file)
        echo "$before$file"
    end
end
for program in PROGRAMS
    complete -c $program -f -a '(__clipvec)'
end
