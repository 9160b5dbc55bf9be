"""What stands between the core and AWS: stores on S3 and DynamoDB, the notifier, the Step Functions client."""
