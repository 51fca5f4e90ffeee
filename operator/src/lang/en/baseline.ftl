baseline-no-terminal = a workbook is not for a terminal: give --output-file FILE, or send it into a pipe
baseline-not-looked = SecurityBaseline { $name } has not been looked at yet: does the operator run, and what does its condition Ready say?
