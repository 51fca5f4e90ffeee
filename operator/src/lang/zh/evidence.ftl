evidence-cluster = 集群 { $cluster }，读取时间 { $from } 至 { $until }
evidence-manifests = 清单文件，不属于特定集群
evidence-collected = { $file }：{ $kinds } 种类型的 { $objects } 个对象，已脱敏
evidence-packed = { $file } 已写入；其清单的哈希值代表整个证据包：
evidence-judged = 由 { $tool } 按 { $at } 判定：{ $objects } 个对象
evidence-verifies = 校验通过：{ $files } 个文件与清单一致，没有多余文件
evidence-does-not-verify = { $file } 校验未通过
