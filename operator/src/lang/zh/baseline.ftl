baseline-no-terminal = 工作簿不能输出到终端：请用 --output-file FILE 指定文件，或用管道
baseline-not-looked = SecurityBaseline { $name } 尚未被检查：operator 是否在运行？其 Ready 条件说明了什么？
