"""What has a frozen backbone learnt?"""
